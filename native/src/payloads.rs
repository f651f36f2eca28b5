//! A column of byte strings that Python sees as a sequence of `bytes | None`.

use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PySlice};

use crate::guarded;

/// Bytes in one buffer; entry `row` is `data[ends[row - 1]..ends[row]]`, absent where `present` says so.
#[derive(Default, Debug)]
pub(crate) struct Bytes {
    data: Vec<u8>,
    ends: Vec<usize>,
    /// Empty while every entry is there.
    present: Vec<bool>,
}

impl Bytes {
    pub(crate) fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { data: Vec::with_capacity(bytes), ends: Vec::with_capacity(rows), present: Vec::new() }
    }

    /// Entries that are all there and are all of `data`, one behind the other; `None` when they are not.
    fn of_whole(data: &mut Vec<u8>, bounds: &[i64]) -> Option<Self> {
        let size = i64::try_from(data.len()).ok()?;
        let ascending = bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        if bounds.first() != Some(&0) || bounds.last() != Some(&size) || !ascending {
            return None;
        }
        let ends = bounds[1..].iter().map(|end| *end as usize).collect();
        Some(Self { data: std::mem::take(data), ends, present: Vec::new() })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn nbytes(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => {
                self.data.extend_from_slice(bytes);
                if !self.present.is_empty() {
                    self.present.push(true);
                }
            }
            None => {
                if self.present.is_empty() {
                    self.present.resize(self.ends.len(), true);
                }
                self.present.push(false);
            }
        }
        self.ends.push(self.data.len());
    }

    /// The buffer, for a writer that appends an entry piece by piece and ends it with `close`.
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// End the entry that was appended to the buffer.
    pub(crate) fn close(&mut self) {
        if !self.present.is_empty() {
            self.present.push(true);
        }
        self.ends.push(self.data.len());
    }

    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        if !self.present.is_empty() && !self.present[row] {
            return None;
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        Some(&self.data[start..self.ends[row]])
    }
}

/// Byte strings as a read-only sequence; each becomes a Python object only when it is asked for.
#[pyclass(frozen, sequence, module = "streamframe_native")]
pub(crate) struct Payloads(pub(crate) Arc<Bytes>);

fn object<'py>(py: Python<'py>, value: Option<&[u8]>) -> Option<Bound<'py, PyBytes>> {
    value.map(|bytes| PyBytes::new(py, bytes))
}

#[pymethods]
impl Payloads {
    /// Copy a sequence of `bytes | None`.
    #[new]
    fn new(values: Vec<Option<PyBackedBytes>>) -> Self {
        let mut bytes = Bytes::with_capacity(values.len(), values.iter().flatten().map(|value| value.len()).sum());
        for value in &values {
            bytes.push(value.as_deref());
        }
        Self(Arc::new(bytes))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let len = self.0.len();
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(len.try_into()?)?;
            let rows = (0..range.slicelength).map(|step| (range.start + step as isize * range.step) as usize);
            return Ok(PyList::new(py, rows.map(|row| object(py, self.0.get(row))).collect::<Vec<_>>())?.into_any());
        }
        let position: isize = index.extract().map_err(|_| PyTypeError::new_err("an index is an integer or a slice"))?;
        let row = if position < 0 { position + len as isize } else { position };
        if row < 0 || row as usize >= len {
            return Err(PyIndexError::new_err("payload index out of range"));
        }
        Ok(object(py, self.0.get(row as usize)).into_pyobject(py)?)
    }

    /// Equal to any sequence of the same entries.
    fn __eq__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> PyResult<bool> {
        let theirs = match other.cast::<Self>() {
            Ok(payloads) => payloads.get().tolist(py)?.into_any(),
            Err(_) => other.clone(),
        };
        self.tolist(py)?.eq(theirs)
    }

    fn __repr__(&self) -> String {
        format!("Payloads({} entries, {} bytes)", self.0.len(), self.0.nbytes())
    }

    /// The entries at positions, which may repeat.
    fn take(&self, py: Python<'_>, positions: PyBuffer<i64>) -> PyResult<Self> {
        guarded(|| {
            let positions = positions.to_vec(py)?;
            let mut taken = Bytes::with_capacity(positions.len(), positions.len() * 16);
            for position in positions {
                let row = usize::try_from(position).ok().filter(|row| *row < self.0.len());
                taken.push(self.0.get(row.ok_or_else(|| PyIndexError::new_err("payload index out of range"))?));
            }
            Ok(Self(Arc::new(taken)))
        })
    }

    /// Payloads of an Arrow column: the bounds in its bytes, the bytes, and a byte a row that is 0 for null.
    #[staticmethod]
    #[pyo3(signature = (bounds, data, valid=None))]
    fn from_buffers(
        py: Python<'_>,
        bounds: PyBuffer<i64>,
        data: PyBuffer<u8>,
        valid: Option<PyBuffer<u8>>,
    ) -> PyResult<Self> {
        guarded(|| {
            let (bounds, mut data) = (bounds.to_vec(py)?, data.to_vec(py)?);
            let valid = valid.map(|buffer| buffer.to_vec(py)).transpose()?;
            let rows = bounds.len().saturating_sub(1);
            if valid.as_ref().is_some_and(|valid| valid.len() != rows) {
                return Err(PyValueError::new_err("columns of different lengths"));
            }
            if let Some(payloads) = valid.is_none().then(|| Bytes::of_whole(&mut data, &bounds)).flatten() {
                return Ok(Self(Arc::new(payloads)));
            }
            let mut payloads = Bytes::with_capacity(rows, data.len());
            for (row, pair) in bounds.windows(2).enumerate() {
                let entry = usize::try_from(pair[0]).ok().zip(usize::try_from(pair[1]).ok());
                let bytes = entry.and_then(|(start, end)| data.get(start..end));
                let bytes = bytes.ok_or_else(|| PyValueError::new_err("bounds that are not in the data"))?;
                payloads.push(valid.as_ref().is_none_or(|valid| valid[row] != 0).then_some(bytes));
            }
            Ok(Self(Arc::new(payloads)))
        })
    }

    /// Bytes of all entries.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.nbytes()
    }

    /// All entries as Python objects.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, (0..self.0.len()).map(|row| object(py, self.0.get(row))).collect::<Vec<_>>())
    }
}

/// Payloads from either path, borrowed without copying and readable without the interpreter.
pub(crate) enum Source {
    Native(Arc<Bytes>),
    Objects(Vec<Option<PyBackedBytes>>),
}

impl Source {
    pub(crate) fn new(values: &Bound<'_, PyAny>) -> PyResult<Self> {
        match values.cast::<Payloads>() {
            Ok(payloads) => Ok(Self::Native(payloads.get().0.clone())),
            Err(_) => Ok(Self::Objects(values.extract()?)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Native(bytes) => bytes.len(),
            Self::Objects(values) => values.len(),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Native(bytes) => bytes.get(row),
            Self::Objects(values) => values[row].as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_found_again() {
        let mut bytes = Bytes::default();
        let entries: [Option<&[u8]>; 5] = [Some(b"a"), Some(b""), None, Some(b"bcd"), None];
        for entry in entries {
            bytes.push(entry);
        }
        for (row, entry) in entries.into_iter().enumerate() {
            assert_eq!(bytes.get(row), entry);
        }
        assert_eq!((bytes.len(), bytes.nbytes()), (5, 4));
    }

    #[test]
    fn entries_that_are_the_whole_data_need_no_copy() {
        let whole = Bytes::of_whole(&mut b"abc".to_vec(), &[0, 1, 1, 3]).expect("the whole data");
        assert_eq!(
            (whole.get(0), whole.get(1), whole.get(2)),
            (Some(b"a".as_slice()), Some(&[][..]), Some(&b"bc"[..]))
        );
        for bounds in [&[0, 1][..], &[1, 3], &[0, 2, 1, 3], &[0, 4], &[]] {
            assert!(Bytes::of_whole(&mut b"abc".to_vec(), bounds).is_none(), "{bounds:?}");
        }
    }

    #[test]
    fn an_entry_written_piece_by_piece_is_one_entry() {
        let mut bytes = Bytes::default();
        bytes.push(None);
        bytes.open().extend_from_slice(b"ab");
        bytes.open().extend_from_slice(b"cd");
        bytes.close();
        assert_eq!((bytes.get(0), bytes.get(1)), (None, Some(b"abcd".as_slice())));
    }
}
