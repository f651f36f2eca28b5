//! Records of one partition as columns.

use std::sync::Arc;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::boundary::{Header, Message};
use crate::columns::pack_i64;
use crate::payloads::{Bytes, Payloads};

/// Consecutive records while they arrive.
#[derive(Default)]
pub(crate) struct Arriving {
    values: Bytes,
    keys: Bytes,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    /// Row and headers of the records that have any, ascending.
    headers: Vec<(usize, Vec<Header>)>,
}

/// How large a batch was: the next one is probably as large, and need not grow step by step.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extent {
    rows: usize,
    value_bytes: usize,
    key_bytes: usize,
}

impl Arriving {
    pub(crate) fn expecting(extent: Extent) -> Self {
        Self {
            values: Bytes::with_capacity(extent.rows, extent.value_bytes),
            keys: Bytes::with_capacity(extent.rows, extent.key_bytes),
            offsets: Vec::with_capacity(extent.rows),
            timestamps: Vec::with_capacity(extent.rows),
            headers: Vec::new(),
        }
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { rows: self.len(), value_bytes: self.values.nbytes(), key_bytes: self.keys.nbytes() }
    }

    /// Take a record; looking for headers costs as much as all the rest, also where there are none.
    pub(crate) fn push(&mut self, message: &Message<'_>, with_headers: bool) {
        if with_headers {
            let headers = message.headers();
            if !headers.is_empty() {
                self.headers.push((self.offsets.len(), headers));
            }
        }
        self.values.push(message.value());
        self.keys.push(message.key());
        self.offsets.push(message.offset());
        self.timestamps.push(message.timestamp().max(-1));
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(crate) fn nbytes(&self) -> usize {
        self.values.nbytes() + self.keys.nbytes()
    }

    pub(crate) fn finish(self) -> Records {
        Records {
            values: Arc::new(self.values),
            keys: Arc::new(self.keys),
            offsets: self.offsets,
            timestamps: self.timestamps,
            headers: self.headers,
        }
    }
}

/// Consecutive records of one partition.
#[pyclass(frozen, module = "streamframe_native")]
pub(crate) struct Records {
    values: Arc<Bytes>,
    keys: Arc<Bytes>,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    headers: Vec<(usize, Vec<Header>)>,
}

#[pymethods]
impl Records {
    fn __len__(&self) -> usize {
        self.offsets.len()
    }

    /// The values, without copying them.
    #[getter]
    fn values(&self) -> Payloads {
        Payloads(self.values.clone())
    }

    /// The keys, without copying them.
    #[getter]
    fn keys(&self) -> Payloads {
        Payloads(self.keys.clone())
    }

    /// Offset of the first record.
    #[getter]
    fn first(&self) -> Option<i64> {
        self.offsets.first().copied()
    }

    /// Offset of the last record.
    #[getter]
    fn last(&self) -> Option<i64> {
        self.offsets.last().copied()
    }

    /// Bytes of keys and values.
    #[getter]
    fn nbytes(&self) -> usize {
        self.values.nbytes() + self.keys.nbytes()
    }

    /// Offsets as little-endian 64-bit integers.
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        pack_i64(py, &self.offsets)
    }

    /// Timestamps in milliseconds, -1 where there is none, as little-endian 64-bit integers.
    fn timestamps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        pack_i64(py, &self.timestamps)
    }

    /// Headers of one record.
    fn headers<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyList>> {
        if row >= self.offsets.len() {
            return Err(PyIndexError::new_err("row out of range"));
        }
        let found = match self.headers.binary_search_by_key(&row, |entry| entry.0) {
            Ok(position) => self.headers[position].1.as_slice(),
            Err(_) => &[],
        };
        PyList::new(
            py,
            found
                .iter()
                .map(|(name, value)| (name, value.as_deref().map(|bytes| PyBytes::new(py, bytes))))
                .collect::<Vec<_>>(),
        )
    }
}
