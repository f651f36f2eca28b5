//! Columns under construction, and how they are handed to Python as the buffers of an Arrow array.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Validity as Arrow wants it: one bit a row, the lowest first.
pub(crate) fn pack_bits<'py>(py: Python<'py>, bits: &[bool]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bits.len().div_ceil(8), |buffer| {
        for (byte, chunk) in buffer.iter_mut().zip(bits.chunks(8)) {
            *byte = chunk.iter().enumerate().fold(0, |packed, (bit, set)| packed | u8::from(*set) << bit);
        }
        Ok(())
    })
}

/// Numbers as little-endian bytes, `WIDTH` each.
pub(crate) fn pack<'py, T: Copy, const WIDTH: usize>(
    py: Python<'py>,
    values: &[T],
    bytes_of: impl Fn(T) -> [u8; WIDTH],
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, values.len() * WIDTH, |buffer| {
        for (place, value) in buffer.chunks_exact_mut(WIDTH).zip(values) {
            place.copy_from_slice(&bytes_of(*value));
        }
        Ok(())
    })
}

/// 64-bit integers as bytes.
pub(crate) fn pack_i64<'py>(py: Python<'py>, values: &[i64]) -> PyResult<Bound<'py, PyBytes>> {
    pack(py, values, i64::to_le_bytes)
}
