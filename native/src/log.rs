//! A client of `confluent_kafka` as the Python side sees it: records in and out without an object for each.

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::batches::{Arriving, Records};
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

/// Return the client that this thread made last with our plug-in, once.
#[pyfunction]
pub(crate) fn take_client() -> PyResult<Option<Client>> {
    guarded(|| Ok(boundary::take_made().map(Client)))
}

/// A client that `confluent_kafka` made and owns; once that closes it, all calls here raise or do nothing.
#[pyclass(frozen, module = "streamframe_native")]
pub(crate) struct Client(Arc<boundary::Client>);

type Drained = Vec<(usize, Option<Records>, Vec<Note>)>;

#[pymethods]
impl Client {
    /// Take a partition's queue away from the consumer's, before the partition is assigned; return its number.
    fn take_partition(&self, topic: &str, partition: i32) -> PyResult<usize> {
        guarded(|| {
            let name = CString::new(topic).map_err(|_| PyValueError::new_err("a topic name holds a zero byte"))?;
            Ok(self.0.take_partition(&name, partition)?)
        })
    }

    /// Give a partition's queue back, before the partition is unassigned.
    fn drop_partition(&self, number: usize) -> PyResult<()> {
        guarded(|| {
            self.0.drop_partition(number);
            Ok(())
        })
    }

    /// Give everything back; the client is closed for us.
    fn release(&self) -> PyResult<()> {
        guarded(|| {
            self.0.release();
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
                let (mut drained, mut more) = (Vec::new(), false);
                let (mut records_left, mut bytes_left) = (records_max, bytes_max);
                for number in numbers {
                    if records_left == 0 || bytes_left == 0 {
                        return Ok((drained, true));
                    }
                    let (mut arriving, mut notes) = (Arriving::default(), Vec::new());
                    more |= self.0.consume(number, records_left, bytes_left, |message| match message.note() {
                        None => arriving.push(message),
                        Some(note) => notes.push(note),
                    })?;
                    records_left = records_left.saturating_sub(arriving.len());
                    bytes_left = bytes_left.saturating_sub(arriving.nbytes());
                    if arriving.len() > 0 || !notes.is_empty() {
                        let records = (arriving.len() > 0).then(|| arriving.finish());
                        drained.push((number, records, notes));
                    }
                }
                Ok((drained, more))
            })
        })
    }

    /// Wait until something arrives at an empty queue, or the time is over, or a signal came.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        guarded(|| {
            let longest =
                Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
            py.detach(|| self.0.wait(longest));
            Ok(())
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
            Ok(py.detach(|| self.0.produce(topic, outgoing))?)
        })
    }
}
