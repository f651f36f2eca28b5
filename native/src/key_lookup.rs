//! Keys to slots: the lookup of `state/key_table.py` and `state/slot_index.py`, over the same numpy buffers.
//!
//! Slots are given in order of first appearance, as there, and the words of a key are those of the numpy path, so slots
//! and bytes on disk do not depend on the path. Hash and layout are those of `state/key_words.py` and
//! `state/word_rows.py`, which is where they are explained. Whatever is rare (long keys, two keys of one hash) is left.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::boundary::{elements, store, store_all};
use crate::columns::pack_i64;
use crate::guarded;

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const ROUND: u64 = 0xFF51_AFD7_ED55_8CCD;
const FINISH: u64 = 0xD6E8_FEB8_6659_FD93;
const NULL_WORD: u64 = 0xA076_1D64_78BD_642F;
const NULL_LENGTH: u64 = u64::MAX;
const LONG_BYTES: usize = 256;
const MULTIPLY: u64 = 0x9E37_79B9_7F4A_7C15;
const AGAIN: u64 = 0xD6E8_FEB8_6659_FD93;

/// No code leads to the row's key: it is unknown.
const UNKNOWN: i64 = -1;

/// Rows whose places are read ahead: few enough for the first-level cache.
const AHEAD: usize = 128;

/// Of codes, which are hashes already.
#[derive(Default)]
struct CodeHasher(u64);

impl Hasher for CodeHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only codes are hashed");
    }

    fn write_u64(&mut self, code: u64) {
        self.0 = mixed(code);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// From the code of a new key to its number.
type Numbers = HashMap<u64, usize, BuildHasherDefault<CodeHasher>>;

/// A key column of a batch.
enum Part {
    /// One word a row, 0 where null; the hash takes it times `scale`.
    Words { words: Vec<u64>, nulls: Option<Vec<u8>>, scale: u64 },
    /// `data` has eight bytes of padding.
    Text { bounds: Vec<i64>, data: Vec<u8>, nulls: Option<Vec<u8>> },
}

fn is_null(nulls: Option<&Vec<u8>>, row: usize) -> bool {
    nulls.is_some_and(|nulls| nulls[row] != 0)
}

fn round(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(ROUND);
    mixed ^ (mixed >> 32)
}

/// The data words of a text: little-endian, zero padded.
fn words_of(data: &[u8], start: usize, length: usize) -> impl Iterator<Item = u64> + '_ {
    (0..length).step_by(8).map(move |offset| {
        let at = start + offset;
        let word = u64::from_le_bytes(data[at..at + 8].try_into().expect("eight bytes"));
        match length - offset {
            left @ 1..8 => word & ((1 << (8 * left)) - 1),
            _ => word,
        }
    })
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Words { words, .. } => words.len(),
            Self::Text { bounds, .. } => bounds.len().saturating_sub(1),
        }
    }

    fn text(bounds: &[i64], nulls: Option<&Vec<u8>>, row: usize) -> (usize, usize) {
        let (start, end) = (bounds[row] as usize, bounds[row + 1] as usize);
        (start, if is_null(nulls, row) { 0 } else { end - start })
    }

    /// Whether the row must go another way.
    fn is_long(&self, row: usize) -> bool {
        match self {
            Self::Words { .. } => false,
            Self::Text { bounds, nulls, .. } => Self::text(bounds, nulls.as_ref(), row).1 > LONG_BYTES,
        }
    }

    fn hash(&self, state: u64, row: usize) -> u64 {
        match self {
            Self::Words { words, nulls, scale } => {
                round(state, if is_null(nulls.as_ref(), row) { NULL_WORD } else { words[row].wrapping_mul(*scale) })
            }
            Self::Text { bounds, data, nulls } => {
                if is_null(nulls.as_ref(), row) {
                    return round(state, NULL_WORD);
                }
                let (start, length) = Self::text(bounds, None, row);
                words_of(data, start, length).fold(round(state, length as u64), round)
            }
        }
    }

    fn nulls(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Words { nulls, .. } | Self::Text { nulls, .. } => nulls.as_ref(),
        }
    }

    fn head(&self, row: usize) -> u64 {
        match self {
            Self::Words { words, .. } => words[row],
            Self::Text { nulls, .. } if is_null(nulls.as_ref(), row) => NULL_LENGTH,
            Self::Text { bounds, .. } => Self::text(bounds, None, row).1 as u64,
        }
    }
}

/// One bit for each column that is null.
fn mask_of(parts: &[Part], row: usize) -> u64 {
    let nulls = parts.iter().map(|part| u64::from(is_null(part.nulls(), row)));
    nulls.enumerate().fold(0, |mask, (position, null)| mask | null << position)
}

/// The row of words of a key, compared with what the arena holds from `at` on.
fn is_at(arena: &[u64], at: usize, parts: &[Part], masked: bool, row: usize) -> bool {
    let mut place = at;
    let mut same = |word: u64| {
        let held = arena.get(place).is_some_and(|cell| *cell == word);
        place += 1;
        held
    };
    if masked && !same(mask_of(parts, row)) {
        return false;
    }
    parts.iter().all(|part| same(part.head(row)))
        && parts.iter().all(|part| match part {
            Part::Words { .. } => true,
            Part::Text { bounds, data, nulls } => {
                let (start, length) = Part::text(bounds, nulls.as_ref(), row);
                words_of(data, start, length).all(&mut same)
            }
        })
}

fn mixed(code: u64) -> u64 {
    let half = code.wrapping_mul(MULTIPLY);
    (half ^ (half >> 32)).wrapping_mul(AGAIN)
}

/// Where a code is looked for first.
fn home(code: u64, shift: u32) -> usize {
    (mixed(code) >> shift) as usize
}

/// Open addressing as in `slot_index.py`.
struct Index<'b> {
    table: &'b [i32],
    codes: &'b [i64],
    shift: u32,
}

impl Index<'_> {
    /// Bring what the codes lead to into the cache. Of a large table each step of a lookup is a miss, and the next step
    /// waits for it; the same step of many rows waits once.
    fn read_ahead(&self, codes: &[u64], arena: &[u64], starts: &[i64]) {
        let mut slots = [0_usize; AHEAD];
        for (slot, code) in slots.iter_mut().zip(codes) {
            *slot = self.table[home(*code, self.shift)].max(0) as usize;
        }
        let mut seen = 0;
        for slot in &slots[..codes.len()] {
            seen ^= self.codes.get(*slot).copied().unwrap_or_default();
            let start = starts.get(*slot).copied().unwrap_or_default();
            seen ^= arena.get(start as usize).copied().unwrap_or_default() as i64;
        }
        black_box(seen);
    }

    fn slot(&self, code: u64) -> i64 {
        let mut place = home(code, self.shift);
        let mask = self.table.len() - 1;
        // The table is never full; should it be, every code is unknown.
        for _ in 0..self.table.len() {
            let slot = self.table[place];
            if slot < 0 {
                return UNKNOWN;
            }
            if self.codes[slot as usize] as u64 == code {
                return slot.into();
            }
            place = (place + 1) & mask;
        }
        UNKNOWN
    }
}

fn cells<'b, T: Element>(py: Python<'b>, buffer: &'b PyBuffer<T>) -> PyResult<&'b [T]> {
    elements(py, buffer).ok_or_else(|| PyValueError::new_err("a buffer is not contiguous"))
}

type TextBuffers = (PyBuffer<i64>, PyBuffer<u8>, Option<PyBuffer<u8>>);
type WordBuffers = (PyBuffer<u64>, Option<PyBuffer<u8>>, u64);

/// One key column, as Python hands it over.
#[derive(FromPyObject)]
pub(crate) enum KeyColumn {
    /// Bounds in the data, the data, where null.
    Text(TextBuffers),
    /// Words, where null, scale.
    Words(WordBuffers),
}

impl KeyColumn {
    fn read(&self, py: Python<'_>) -> PyResult<Part> {
        let bytes = |nulls: &Option<PyBuffer<u8>>| nulls.as_ref().map(|nulls| nulls.to_vec(py)).transpose();
        match self {
            Self::Text((bounds, data, nulls)) => {
                let mut data = data.to_vec(py)?;
                let size = data.len();
                data.resize(size + 8, 0);
                let bounds = bounds.to_vec(py)?;
                let sound = bounds.first().is_none_or(|first| *first >= 0)
                    && bounds.windows(2).all(|pair| pair[0] <= pair[1])
                    && bounds.last().is_none_or(|last| *last as usize <= size);
                if !sound {
                    return Err(PyValueError::new_err("bounds that are not in the data"));
                }
                Ok(Part::Text { bounds, data, nulls: bytes(nulls)? })
            }
            Self::Words((words, nulls, scale)) => {
                Ok(Part::Words { words: words.to_vec(py)?, nulls: bytes(nulls)?, scale: *scale })
            }
        }
    }
}

/// The keys of a batch, each in the form that slots are looked up and remembered by.
#[pyclass(module = "streamframe_native")]
pub(crate) struct KeyBatch {
    parts: Vec<Part>,
    masked: bool,
    rows: usize,
    /// First row and code of each key that the lookup did not find, in order of appearance.
    new: Vec<(usize, u64)>,
}

impl KeyBatch {
    fn code(&self, row: usize) -> u64 {
        let state = self.parts.iter().fold(SEED, |state, part| part.hash(state, row)).wrapping_mul(FINISH);
        state ^ (state >> 29)
    }

    /// How many words the key of a row has in the arena.
    fn size(&self, row: usize) -> usize {
        let texts = self.parts.iter().map(|part| match part {
            Part::Words { .. } => 0,
            Part::Text { bounds, nulls, .. } => Part::text(bounds, nulls.as_ref(), row).1.div_ceil(8),
        });
        usize::from(self.masked) + self.parts.len() + texts.sum::<usize>()
    }

    fn words(&self, row: usize) -> Vec<u64> {
        let mut words = Vec::with_capacity(self.size(row));
        self.append_words(row, &mut words);
        words
    }

    /// Append the key of a row in the form of the arena.
    fn append_words(&self, row: usize, words: &mut Vec<u64>) {
        if self.masked {
            words.push(mask_of(&self.parts, row));
        }
        words.extend(self.parts.iter().map(|part| part.head(row)));
        for part in &self.parts {
            if let Part::Text { bounds, data, nulls } = part {
                let (start, length) = Part::text(bounds, nulls.as_ref(), row);
                words.extend(words_of(data, start, length));
            }
        }
    }
}

#[pymethods]
impl KeyBatch {
    #[new]
    fn new(py: Python<'_>, columns: Vec<KeyColumn>, masked: bool) -> PyResult<Self> {
        guarded(|| {
            let parts = columns.iter().map(|column| column.read(py)).collect::<PyResult<Vec<_>>>()?;
            let rows = parts.first().map_or(0, Part::len);
            let whole =
                parts.iter().all(|part| part.len() == rows && part.nulls().is_none_or(|nulls| nulls.len() == rows));
            if whole && parts.len() <= 64 {
                Ok(Self { parts, masked, rows, new: Vec::new() })
            } else {
                Err(PyValueError::new_err("columns of different lengths"))
            }
        })
    }

    /// Look the keys up: `table` and `shift` lead from codes to slots; `arena` and `starts` hold the keys.
    ///
    /// Returns the slot of each row as 64-bit integers, how many keys are new, and how many words they need. New keys
    /// have the slots behind `count`, in order of appearance, which `append` makes true. `None`: the batch has a key
    /// that is long or shares its hash with another, and goes the other way as a whole.
    fn lookup<'py>(
        &mut self,
        py: Python<'py>,
        table: PyBuffer<i32>,
        shift: u32,
        codes: PyBuffer<i64>,
        arena: PyBuffer<u64>,
        starts: PyBuffer<i64>,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, usize, usize)>> {
        guarded(|| {
            let index = Index { table: cells(py, &table)?, codes: cells(py, &codes)?, shift };
            let (arena, starts) = (cells(py, &arena)?, cells(py, &starts)?);
            if !index.table.len().is_power_of_two() || shift >= 64 {
                return Err(PyValueError::new_err("no table"));
            }
            let count = index.codes.len() as i64;
            if (0..self.rows).any(|row| self.parts.iter().any(|part| part.is_long(row))) {
                return Ok(None);
            }
            let sought: Vec<u64> = (0..self.rows).map(|row| self.code(row)).collect();
            let mut known = Numbers::default();
            let mut slots = Vec::with_capacity(self.rows);
            let (mut new, mut size) = (Vec::new(), 0);
            for (row, code) in sought.iter().copied().enumerate() {
                if row % AHEAD == 0 {
                    index.read_ahead(&sought[row..self.rows.min(row + AHEAD)], arena, starts);
                }
                let slot = index.slot(code);
                if slot != UNKNOWN {
                    if !is_at(arena, starts[slot as usize] as usize, &self.parts, self.masked, row) {
                        return Ok(None);
                    }
                    slots.push(slot);
                    continue;
                }
                let number = *known.entry(code).or_insert(new.len());
                if number == new.len() {
                    new.push((row, code));
                    size += self.size(row);
                } else if self.words(new[number].0) != self.words(row) {
                    return Ok(None);
                }
                slots.push(count + number as i64);
            }
            self.new = new;
            Ok(Some((pack_i64(py, &slots)?, self.new.len(), size)))
        })
    }

    /// Remember the new keys behind the `count` that are there, whose words end at `end`; there must be room.
    #[allow(clippy::too_many_arguments)]
    fn append(
        &self,
        py: Python<'_>,
        mut table: PyBuffer<i32>,
        shift: u32,
        mut codes: PyBuffer<i64>,
        mut arena: PyBuffer<u64>,
        mut starts: PyBuffer<i64>,
        count: usize,
        end: usize,
    ) -> PyResult<()> {
        guarded(|| {
            let roomy =
                |has: usize| if has >= count + self.new.len() { Ok(()) } else { Err(PyValueError::new_err("no room")) };
            roomy(codes.item_count())?;
            roomy(starts.item_count())?;
            let (mut words, mut places) = (Vec::new(), Vec::with_capacity(self.new.len()));
            for (row, _) in &self.new {
                places.push((end + words.len()) as i64);
                self.append_words(*row, &mut words);
            }
            let added: Vec<i64> = self.new.iter().map(|(_, code)| *code as i64).collect();
            store_all(py, &mut codes, count, &added)?;
            store_all(py, &mut starts, count, &places)?;
            store_all(py, &mut arena, end, &words)?;
            for (number, (_, code)) in self.new.iter().enumerate() {
                let slots = cells(py, &table)?;
                let mask = slots.len() - 1;
                let first = home(*code, shift) & mask;
                let free = (0..slots.len()).map(|step| (first + step) & mask).find(|place| slots[*place] < 0);
                let free = free.ok_or_else(|| PyValueError::new_err("the table is full"))?;
                store(py, &mut table, free, (count + number) as i32)?;
            }
            Ok(())
        })
    }
}

/// Gather texts of an arena: those of `lengths` bytes that begin at the words `starts`, one behind the other.
#[pyfunction]
pub(crate) fn gather_texts<'py>(
    py: Python<'py>,
    arena: PyBuffer<u64>,
    starts: PyBuffer<i64>,
    lengths: PyBuffer<i64>,
) -> PyResult<Bound<'py, PyBytes>> {
    guarded(|| {
        let (arena, starts, lengths) = (cells(py, &arena)?, cells(py, &starts)?, cells(py, &lengths)?);
        let outside = || PyIndexError::new_err("a text that is not in the arena");
        let mut size = 0;
        for length in lengths {
            size += usize::try_from(*length).map_err(|_| outside())?;
        }
        if starts.len() != lengths.len() || size > 8 * arena.len().saturating_mul(lengths.len()) {
            return Err(outside());
        }
        PyBytes::new_with(py, size, |mut text| {
            for (start, length) in starts.iter().zip(lengths) {
                let length = *length as usize;
                let words = usize::try_from(*start).ok().and_then(|start| arena.get(start..)).ok_or_else(outside)?;
                let words = words.get(..length.div_ceil(8)).ok_or_else(outside)?;
                let (place, rest) = text.split_at_mut(length);
                for (bytes, word) in place.chunks_mut(8).zip(words) {
                    bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
                }
                text = rest;
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[&str]) -> Part {
        let mut bounds = vec![0];
        let mut data = Vec::new();
        for value in values {
            data.extend_from_slice(value.as_bytes());
            bounds.push(data.len() as i64);
        }
        data.resize(data.len() + 8, 0);
        Part::Text { bounds, data, nulls: None }
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        let finish = |state: u64| state.wrapping_mul(FINISH) ^ (state.wrapping_mul(FINISH) >> 29);
        assert_eq!(finish(text(&["x", "user-1"]).hash(SEED, 1)), 0x8e51_a68c_f53a_bde5);
        let null = Part::Text { bounds: vec![0, 0], data: vec![0; 8], nulls: Some(vec![1]) };
        assert_eq!(finish(null.hash(SEED, 0)), 0x90e6_3c5b_6697_f9de);
    }

    #[test]
    fn words_of_a_text_are_padded_with_zeros() {
        assert_eq!(words_of(b"abcdefghijXXXXXXXX", 0, 10).collect::<Vec<_>>(), [0x6867_6665_6463_6261, 0x6a69]);
    }
}
