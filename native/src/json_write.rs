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
            Values::Floats(values) if values[row].is_finite() => {
                out.extend_from_slice(ryu::Buffer::new().format_finite(values[row]).as_bytes());
            }
            Values::Floats(_) => out.extend_from_slice(b"null"),
            Values::Bools(values) => out.extend_from_slice(if values[row] == 0 { b"false" } else { b"true" }),
        }
    }
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
    fn text_is_escaped() {
        let mut out = Vec::new();
        write_text("a\"b\\c\n\u{1}é".as_bytes(), &mut out);
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001é\"".as_bytes());
    }
}
