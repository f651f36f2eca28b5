//! A client of `confluent_kafka` as the Python side sees it: records in and out without an object for each.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::batches::{Arriving, Extent, Records};
use crate::boundary::{self, Closed, Note, Outgoing};
use crate::guarded;
use crate::payloads::Source;

impl From<Closed> for PyErr {
    fn from(_: Closed) -> Self {
        PyRuntimeError::new_err("the client is closed")
    }
}

/// Use the librdkafka at `path`, which `confluent_kafka` has loaded.
///
/// Raises `RuntimeError` when that cannot be.
#[pyfunction]
pub(crate) fn open_library(path: &str) -> PyResult<()> {
    guarded(|| boundary::open(path).map_err(PyRuntimeError::new_err))
}

/// Say what this thread makes next with our plug-in: a producer that reports failures only, or another client.
///
/// A producer that is silent in this way must not be given delivery callbacks: `confluent_kafka` would wait for them.
#[pyfunction]
#[pyo3(signature = (*, silent=false))]
pub(crate) fn announce_client(silent: bool) -> PyResult<()> {
    guarded(|| {
        boundary::announce(silent);
        Ok(())
    })
}

/// Return the client that this thread made last with our plug-in, once.
#[pyfunction]
pub(crate) fn take_client() -> PyResult<Option<Client>> {
    guarded(|| Ok(boundary::take_made().map(Client::new)))
}

/// A client that `confluent_kafka` made and owns; once that closes it, all calls here raise or do nothing.
#[pyclass(frozen, module = "streamframe_native")]
pub(crate) struct Client {
    inner: Arc<boundary::Client>,
    /// Of the last batch.
    extent: Mutex<Extent>,
    headers: AtomicBool,
}

impl Client {
    fn new(inner: Arc<boundary::Client>) -> Self {
        Self { inner, extent: Mutex::default(), headers: AtomicBool::new(true) }
    }
}

type Drained = Vec<(usize, Option<Records>, Vec<Note>)>;

#[pymethods]
impl Client {
    /// Take a partition's queue away from the consumer's, before the partition is assigned; return its number.
    fn take_partition(&self, topic: &str, partition: i32) -> PyResult<usize> {
        guarded(|| {
            let name = CString::new(topic).map_err(|_| PyValueError::new_err("a topic name holds a zero byte"))?;
            Ok(self.inner.take_partition(&name, partition)?)
        })
    }

    /// Give a partition's queue back, before the partition is unassigned.
    fn drop_partition(&self, number: usize) -> PyResult<()> {
        guarded(|| {
            self.inner.drop_partition(number);
            Ok(())
        })
    }

    /// Take records from now on as if they had no headers: nobody will ask for them.
    fn leave_out_headers(&self) {
        self.headers.store(false, Ordering::Relaxed);
    }

    /// Give everything back; the client is closed for us.
    fn release(&self) -> PyResult<()> {
        guarded(|| {
            self.inner.release();
            Ok(())
        })
    }

    /// Take what has arrived at queues, in their order, up to a number of records and about a number of bytes.
    ///
    /// Returns, for each queue that had anything, its number, its records and its notes (code, text, offset); and
    /// whether there may be more.
    fn drain(
        &self,
        py: Python<'_>,
        numbers: Vec<usize>,
        records_max: usize,
        bytes_max: usize,
    ) -> PyResult<(Drained, bool)> {
        guarded(|| {
            py.detach(|| {
                let headers = self.headers.load(Ordering::Relaxed);
                let mut extent = *self.extent.lock().unwrap_or_else(PoisonError::into_inner);
                let (mut drained, mut more) = (Vec::new(), false);
                let (mut records_left, mut bytes_left) = (records_max, bytes_max);
                for number in numbers {
                    if records_left == 0 || bytes_left == 0 {
                        return Ok((drained, true));
                    }
                    let (mut arriving, mut notes) = (Arriving::expecting(extent), Vec::new());
                    more |= self.inner.consume(number, records_left, bytes_left, |message| match message.note() {
                        None => arriving.push(message, headers),
                        Some(note) => notes.push(note),
                    })?;
                    records_left = records_left.saturating_sub(arriving.len());
                    bytes_left = bytes_left.saturating_sub(arriving.nbytes());
                    if arriving.len() > 0 {
                        extent = arriving.extent();
                    }
                    if arriving.len() > 0 || !notes.is_empty() {
                        let records = (arriving.len() > 0).then(|| arriving.finish());
                        drained.push((number, records, notes));
                    }
                }
                *self.extent.lock().unwrap_or_else(PoisonError::into_inner) = extent;
                Ok((drained, more))
            })
        })
    }

    /// Wait until something arrives at an empty queue, or the time is over, or a signal came.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        guarded(|| {
            let longest =
                Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
            py.detach(|| self.inner.wait(longest));
            Ok(())
        })
    }

    /// Take note from now on of what becomes of records for these partitions (topic, number).
    fn watch(&self, partitions: Vec<(String, i32)>) -> PyResult<()> {
        guarded(|| Ok(self.inner.watch(partitions)?))
    }

    /// Return what became of the last record of each (topic, number, offset or -1, code of a failure or 0), and watch
    /// no longer. All are known once everything was flushed.
    fn fates(&self) -> PyResult<Vec<(String, i32, i64, i32)>> {
        guarded(|| {
            let fates = self.inner.fates()?;
            Ok(fates.into_iter().map(|fate| (fate.topic, fate.partition, fate.offset, fate.code)).collect())
        })
    }

    /// Queue the records `start..stop`; return how many, and the code that stopped it or 0.
    ///
    /// `partitions` is a buffer of 32-bit integers, `timestamps` one of 64-bit integers; without them the client's
    /// partitioner and clock decide.
    #[pyo3(signature = (topic, start, stop, values, keys=None, partitions=None, partition=-1, timestamps=None))]
    #[allow(clippy::too_many_arguments)]
    fn produce(
        &self,
        py: Python<'_>,
        topic: &str,
        start: usize,
        stop: usize,
        values: &Bound<'_, PyAny>,
        keys: Option<&Bound<'_, PyAny>>,
        partitions: Option<PyBuffer<i32>>,
        partition: i32,
        timestamps: Option<PyBuffer<i64>>,
    ) -> PyResult<(usize, i32)> {
        guarded(|| {
            let values = Source::new(values)?;
            let keys = keys.map(Source::new).transpose()?;
            let partitions = partitions.map(|buffer| buffer.to_vec(py)).transpose()?;
            let timestamps = timestamps.map(|buffer| buffer.to_vec(py)).transpose()?;
            let rows = values.len();
            let complete = keys.as_ref().is_none_or(|keys| keys.len() == rows)
                && partitions.as_ref().is_none_or(|partitions| partitions.len() == rows)
                && timestamps.as_ref().is_none_or(|timestamps| timestamps.len() == rows);
            if !complete || start > stop || stop > rows {
                return Err(PyValueError::new_err("columns of different lengths"));
            }
            let outgoing = (start..stop).map(|row| Outgoing {
                value: values.get(row),
                key: keys.as_ref().and_then(|keys| keys.get(row)),
                partition: partitions.as_ref().map_or(partition, |partitions| partitions[row]),
                timestamp: timestamps.as_ref().map_or(0, |timestamps| timestamps[row]),
            });
            Ok(py.detach(|| self.inner.produce(topic, outgoing))?)
        })
    }
}
