//! The native data path of StreamFrame.
//!
//! Rules:
//! 1. `unsafe` is allowed in `boundary.rs` and nowhere else.
//! 2. Nothing here decides: where this code is not sure of a verdict it says so, and the pure Python path gives it.
//! 3. Every entry point is `guarded`: a panic becomes `streamframe_native.NativeError`, an ordinary exception.

mod batches;
mod boundary;
mod iso_time;
mod json_read;
mod json_scan;
mod key_lookup;

mod columns;
mod json_write;
mod log;
mod payloads;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

create_exception!(streamframe_native, NativeError, PyRuntimeError, "A defect of the native data path.");

/// Version of what the Python side may call; it refuses to use another one.
const INTERFACE: u32 = 3;

/// Run `work`; a panic becomes an ordinary Python exception instead of PyO3's, which no `except Exception` sees.
pub(crate) fn guarded<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(NativeError::new_err(format!("the native data path panicked: {text}")))
    })
}

/// Panic on purpose: tests look at what becomes of it.
#[pyfunction]
fn panic_on_purpose() -> PyResult<()> {
    guarded(|| panic!("on purpose"))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add("NativeError", module.py().get_type::<NativeError>())?;
    module.add_class::<payloads::Payloads>()?;
    module.add_class::<json_read::JsonReader>()?;
    module.add_class::<json_write::JsonWriter>()?;
    module.add_class::<batches::Records>()?;
    module.add_class::<log::Client>()?;
    module.add_function(wrap_pyfunction!(log::open_library, module)?)?;
    module.add_function(wrap_pyfunction!(log::announce_client, module)?)?;
    module.add_function(wrap_pyfunction!(log::take_client, module)?)?;
    module.add_class::<key_lookup::KeyBatch>()?;
    module.add_function(wrap_pyfunction!(key_lookup::gather_texts, module)?)?;
    module.add_function(wrap_pyfunction!(panic_on_purpose, module)?)?;
    Ok(())
}
