//! Columns to JSON records: byte for byte what `serde/json_encode.py` writes with msgspec.

use std::sync::Arc;

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::boundary::elements;
use crate::guarded;
use crate::json_scan::odd_bytes;
use crate::payloads::{Bytes, Payloads};

/// A column of values.
#[derive(FromPyObject)]
pub(crate) enum ColumnBuffers {
    /// Bounds in the data, the data.
    Text(PyBuffer<i64>, PyBuffer<u8>),
    #[pyo3(transparent)]
    Ints(PyBuffer<i64>),
    #[pyo3(transparent)]
    Floats(PyBuffer<f64>),
    #[pyo3(transparent)]
    Bools(PyBuffer<u8>),
    #[pyo3(transparent)]
    Unsigned(PyBuffer<u64>),
}

enum Values<'b> {
    Text(&'b [i64], &'b [u8]),
    Ints(&'b [i64]),
    Unsigned(&'b [u64]),
    Floats(&'b [f64]),
    Bools(&'b [u8]),
}

/// A column, read where it is: the interpreter is held, so nobody writes to it meanwhile.
struct Column<'b> {
    values: Values<'b>,
    /// 0 where null.
    valid: Option<&'b [u8]>,
}

fn lent<'b, T: Element>(py: Python<'b>, buffer: &'b PyBuffer<T>) -> PyResult<&'b [T]> {
    elements(py, buffer).ok_or_else(|| PyValueError::new_err("a column that is not in one piece"))
}

impl<'b> Column<'b> {
    fn read(py: Python<'b>, buffers: &'b ColumnBuffers, valid: Option<&'b PyBuffer<u8>>) -> PyResult<Self> {
        let values = match buffers {
            ColumnBuffers::Text(bounds, data) => {
                let (bounds, data) = (lent(py, bounds)?, lent(py, data)?);
                let sound = bounds.first().is_some_and(|first| *first >= 0)
                    && bounds.is_sorted()
                    && bounds.last().is_some_and(|last| *last as usize <= data.len());
                if !sound {
                    return Err(PyValueError::new_err("bounds that are not in the data"));
                }
                Values::Text(bounds, data)
            }
            ColumnBuffers::Ints(buffer) => Values::Ints(lent(py, buffer)?),
            ColumnBuffers::Unsigned(buffer) => Values::Unsigned(lent(py, buffer)?),
            ColumnBuffers::Floats(buffer) => Values::Floats(lent(py, buffer)?),
            ColumnBuffers::Bools(buffer) => Values::Bools(lent(py, buffer)?),
        };
        Ok(Self { values, valid: valid.map(|buffer| lent(py, buffer)).transpose()? })
    }

    fn len(&self) -> usize {
        match self.values {
            Values::Text(bounds, _) => bounds.len() - 1,
            Values::Ints(values) => values.len(),
            Values::Unsigned(values) => values.len(),
            Values::Floats(values) => values.len(),
            Values::Bools(values) => values.len(),
        }
    }

    /// About how many bytes all values are, with their quotes.
    fn size(&self) -> usize {
        match self.values {
            Values::Text(bounds, _) => (bounds[bounds.len() - 1] - bounds[0]) as usize + 2 * self.len(),
            Values::Ints(_) | Values::Unsigned(_) => 14 * self.len(),
            Values::Floats(_) => 18 * self.len(),
            Values::Bools(_) => 5 * self.len(),
        }
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.valid.is_some_and(|valid| valid[row] == 0) {
            out.extend_from_slice(b"null");
            return;
        }
        match self.values {
            Values::Text(bounds, data) => write_text(&data[bounds[row] as usize..bounds[row + 1] as usize], out),
            Values::Ints(values) => out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes()),
            Values::Unsigned(values) => out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes()),
            Values::Floats(values) if values[row].is_finite() => write_float(values[row], out),
            Values::Floats(_) => out.extend_from_slice(b"null"),
            Values::Bools(values) => out.extend_from_slice(if values[row] == 0 { b"false" } else { b"true" }),
        }
    }
}

/// Decimals that most amounts and measurements do with, and their power of ten.
const DECIMALS: usize = 4;
const SCALE: f64 = 1e4;

/// Below it, numbers of that many decimals have at most 15 digits, and no two of them are the same float.
const SCALED_MAX: f64 = 1e15;

/// Write the shortest digits that lead back to the float.
#[inline]
fn write_float(value: f64, out: &mut Vec<u8>) {
    let scaled = (value.abs() * SCALE).round();
    // Both sides of the quotient are exact, so it is rounded once, as reading the digits rounds once: if it is the value,
    // the digits are those of the value, and with at most 15 of them there are no shorter ones.
    if scaled == 0.0 || scaled >= SCALED_MAX || scaled / SCALE != value.abs() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        return;
    }
    let scaled = scaled as u64;
    let (whole, mut rest) = (scaled / 10_000, scaled % 10_000);
    if value < 0.0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    let mut decimals = [b'0'; DECIMALS + 1];
    decimals[0] = b'.';
    let mut used = 1;
    for place in (1..=DECIMALS).rev() {
        let digit = (rest % 10) as u8;
        rest /= 10;
        decimals[place] += digit;
        if digit != 0 && used == 1 {
            used = place;
        }
    }
    out.extend_from_slice(&decimals[..=used]);
}

/// Whether JSON shows the text as it is, eight bytes at a time: without quotes, backslashes and control characters.
#[inline(always)]
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    words.iter().all(|word| odd_bytes(u64::from_le_bytes(*word)) == 0)
        && rest.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\')
}

#[inline]
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let mut written = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&text[written..]);
    out.push(b'"');
}

/// Writes rows as JSON objects with the given members, in this order.
#[pyclass(frozen, module = "streamframe_native")]
pub(crate) struct JsonWriter {
    /// What is written before each value.
    heads: Vec<Vec<u8>>,
}

#[pymethods]
impl JsonWriter {
    #[new]
    fn new(names: Vec<String>) -> Self {
        let heads = names.iter().enumerate().map(|(position, name)| {
            let mut head = vec![if position == 0 { b'{' } else { b',' }];
            write_text(name.as_bytes(), &mut head);
            head.push(b':');
            head
        });
        Self { heads: heads.collect() }
    }

    /// Write one payload for each row; each column is its values and, where it has nulls, a byte a row, 0 for null.
    fn write(
        &self,
        py: Python<'_>,
        columns: Vec<(ColumnBuffers, Option<PyBuffer<u8>>)>,
        rows: usize,
    ) -> PyResult<Payloads> {
        guarded(|| {
            let read = columns.iter().map(|(buffers, valid)| Column::read(py, buffers, valid.as_ref()));
            let columns = read.collect::<PyResult<Vec<_>>>()?;
            let complete = columns.len() == self.heads.len()
                && columns
                    .iter()
                    .all(|column| column.len() == rows && column.valid.is_none_or(|valid| valid.len() == rows));
            if !complete {
                return Err(PyValueError::new_err("columns of another number or length"));
            }
            let heads = self.heads.iter().map(|head| head.len()).sum::<usize>() + 2;
            let bytes = rows * heads + columns.iter().map(Column::size).sum::<usize>();
            let mut payloads = Bytes::with_capacity(rows, bytes);
            for row in 0..rows {
                let out = payloads.open();
                if columns.is_empty() {
                    out.push(b'{');
                }
                for (head, column) in self.heads.iter().zip(&columns) {
                    out.extend_from_slice(head);
                    column.write(row, out);
                }
                out.push(b'}');
                payloads.close();
            }
            Ok(Payloads(Arc::new(payloads)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_their_shortest_digits() {
        let mut values = vec![0.0, -0.0, 0.1, 0.0001, 0.00011, 1e-5, 0.3, 1.0 / 3.0, 0.1 + 0.2, 123.45, -99.99, 1e11];
        values.extend([99_999_999_999.75, 1e15, 1e16, 1e17, 1e22, 5e-324, f64::MAX, 9_007_199_254_740_993.0]);
        let mut state = 1_u64;
        for step in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let whole = (state >> (11 + step % 50)) as f64;
            values.extend([whole, whole / 100.0, -whole / 1_000.0, whole / 1e4, whole / 1e4 + 1e-9, whole / 1e5]);
            values.push(f64::from_bits(state));
        }
        for value in values.into_iter().filter(|value| value.is_finite()) {
            let mut out = Vec::new();
            write_float(value, &mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(ryu::Buffer::new().format_finite(value)));
        }
    }

    #[test]
    fn text_is_escaped() {
        let mut out = Vec::new();
        write_text("a\"b\\c\n\u{1}é".as_bytes(), &mut out);
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001é\"".as_bytes());
    }
}
