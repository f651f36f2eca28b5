//! JSON records to columns: the records that are good beyond doubt.
//!
//! Rules:
//! 1. A record is accepted only if the pure decoder (msgspec, `serde/json_decode.py`) accepts it with the same values.
//!    Everything else is *unsure* and goes to the pure decoder, which gives the verdict, its kind and its reason.
//!    So both paths cannot disagree about a bad record, and a doubtful feature needs no copy here.
//! 2. Only the fields in use become values; the syntax of the whole record is checked all the same.
//! 3. What an unsure record has appended is taken back: columns hold accepted records only.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::columns::{pack, pack_bits, pack_i64};
use crate::guarded;
use crate::iso_time::parse_zulu;
use crate::json_scan::{Cursor, Quoted, Sure, Unsure};
use crate::payloads::Source;

/// What a field is read as.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Bool,
    /// An integer within bounds, stored in that many bytes.
    Int {
        low: i64,
        high: i64,
        width: u8,
    },
    Float64,
    Float32,
    Text,
    /// Integers up to `limit`, or ISO 8601 text; `per_second` units make a second.
    Time {
        limit: i64,
        per_second: i64,
    },
}

#[derive(Clone, Debug)]
struct Field {
    name: Vec<u8>,
    kind: Kind,
    nullable: bool,
}

/// A column of accepted records.
#[derive(Default)]
struct Column {
    ints: Vec<i64>,
    floats: Vec<f64>,
    text: Vec<u8>,
    /// Where the text of each row ends, behind a first bound of 0.
    ends: Vec<i64>,
    /// Empty while there is no null.
    valid: Vec<bool>,
    rows: usize,
}

/// What a record says of a field.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    Absent,
    Null,
    Int(i64),
    Float(f64),
    /// The text has been appended to the column.
    Text,
}

/// Room for text in a row, to begin with.
const TEXT_BYTES: usize = 12;

impl Column {
    fn with_room(kind: Kind, rows: usize) -> Self {
        let mut column = Self::default();
        match kind {
            Kind::Text => {
                column.ends.reserve(rows + 1);
                // The first bound: Arrow's offsets have one more entry than there are rows.
                column.ends.push(0);
                column.text.reserve(rows * TEXT_BYTES);
            }
            Kind::Float64 | Kind::Float32 => column.floats.reserve(rows),
            _ => column.ints.reserve(rows),
        }
        column
    }

    fn commit(&mut self, kind: Kind, found: Found) {
        let null = matches!(found, Found::Absent | Found::Null);
        if null && self.valid.is_empty() {
            self.valid.resize(self.rows, true);
        }
        if null || !self.valid.is_empty() {
            self.valid.push(!null);
        }
        self.rows += 1;
        match kind {
            Kind::Text => self.ends.push(self.text.len() as i64),
            Kind::Float64 | Kind::Float32 => {
                self.floats.push(if let Found::Float(value) = found { value } else { 0.0 })
            }
            _ => self.ints.push(if let Found::Int(value) = found { value } else { 0 }),
        }
    }

    fn buffers<'py>(&self, py: Python<'py>, kind: Kind) -> PyResult<Bound<'py, PyTuple>> {
        let valid = if self.valid.is_empty() { None } else { Some(pack_bits(py, &self.valid)?) };
        let mut offsets: Option<Bound<'py, PyBytes>> = None;
        let data = match kind {
            Kind::Text => {
                offsets = Some(pack_i64(py, &self.ends)?);
                PyBytes::new(py, &self.text)
            }
            Kind::Float64 => pack(py, &self.floats, f64::to_le_bytes)?,
            Kind::Float32 => pack(py, &self.floats, |value| (value as f32).to_le_bytes())?,
            Kind::Bool => pack_bits(py, &self.ints.iter().map(|value| *value != 0).collect::<Vec<_>>())?,
            Kind::Int { width: 1, .. } => pack(py, &self.ints, |value| (value as i8).to_le_bytes())?,
            Kind::Int { width: 2, .. } => pack(py, &self.ints, |value| (value as i16).to_le_bytes())?,
            Kind::Int { width: 4, .. } => pack(py, &self.ints, |value| (value as i32).to_le_bytes())?,
            Kind::Int { .. } | Kind::Time { .. } => pack_i64(py, &self.ints)?,
        };
        (valid, offsets, data).into_pyobject(py)
    }
}

/// Which field a name of a record is. Records of one topic mostly name their fields in one order.
#[inline(always)]
fn field_at(fields: &[Field], name: Quoted<'_>, expected: usize) -> Sure<Option<usize>> {
    if !name.is_plain() {
        return Err(Unsure);
    }
    if fields.get(expected).is_some_and(|field| field.name == name.raw) {
        return Ok(Some(expected));
    }
    Ok(fields.iter().position(|field| field.name == name.raw))
}

struct Batch<'f> {
    fields: &'f [Field],
    columns: Vec<Column>,
    found: Vec<Found>,
    marks: Vec<usize>,
}

impl<'f> Batch<'f> {
    fn new(fields: &'f [Field], rows: usize) -> Self {
        Self {
            fields,
            columns: fields.iter().map(|field| Column::with_room(field.kind, rows)).collect(),
            found: vec![Found::Absent; fields.len()],
            marks: vec![0; fields.len()],
        }
    }

    fn read(&mut self, record: &[u8]) -> bool {
        for (mark, column) in self.marks.iter_mut().zip(&self.columns) {
            *mark = column.text.len();
        }
        self.found.fill(Found::Absent);
        let complete = self.values(record).is_ok()
            && self
                .fields
                .iter()
                .zip(&self.found)
                .all(|(field, found)| field.nullable || !matches!(found, Found::Absent | Found::Null));
        for (position, column) in self.columns.iter_mut().enumerate() {
            if complete {
                column.commit(self.fields[position].kind, self.found[position]);
            } else {
                column.text.truncate(self.marks[position]);
            }
        }
        complete
    }

    fn values(&mut self, record: &[u8]) -> Sure<()> {
        let mut json = Cursor::new(record);
        let mut expected = 0;
        json.take(b'{')?;
        if json.peek()? == b'}' {
            json.take(b'}')?;
            return json.finish();
        }
        loop {
            if json.peek()? != b'"' {
                return Err(Unsure);
            }
            let name = json.quoted()?;
            let at = field_at(self.fields, name, expected)?;
            json.take(b':')?;
            let first = json.peek()?;
            match at {
                None => json.skip(0)?,
                // The last of several equal names counts, but all of them are judged: rare enough not to be done here.
                Some(position) if self.found[position] != Found::Absent => return Err(Unsure),
                Some(position) => {
                    self.found[position] = self.value(&mut json, first, position)?;
                    expected = position + 1;
                }
            }
            if !json.goes_on(b'}')? {
                return json.finish();
            }
        }
    }

    #[inline(always)]
    fn value(&mut self, json: &mut Cursor<'_>, first: u8, position: usize) -> Sure<Found> {
        if first == b'n' {
            return json.word(b"null").map(|()| Found::Null);
        }
        let is_number = first == b'-' || first.is_ascii_digit();
        match self.fields[position].kind {
            Kind::Text if first == b'"' => {
                json.quoted()?.append_to(&mut self.columns[position].text).map(|()| Found::Text)
            }
            Kind::Bool if first == b't' => json.word(b"true").map(|()| Found::Int(1)),
            Kind::Bool if first == b'f' => json.word(b"false").map(|()| Found::Int(0)),
            Kind::Int { low, high, .. } if is_number => bounded(json.number()?.integer()?, low, high),
            Kind::Float64 if is_number => bounded_float(json.number()?.float()?, f64::MAX),
            Kind::Float32 if is_number => bounded_float(json.number()?.float()?, f64::from(f32::MAX)),
            Kind::Time { limit, .. } if is_number => bounded(json.number()?.integer()?, -limit, limit),
            Kind::Time { per_second, .. } if first == b'"' => {
                let text = json.quoted()?;
                // An escaped form is no time to the parser, whatever it stands for.
                parse_zulu(text.raw, per_second).map(Found::Int).ok_or(Unsure)
            }
            _ => Err(Unsure),
        }
    }
}

fn bounded(value: i64, low: i64, high: i64) -> Sure<Found> {
    if low <= value && value <= high { Ok(Found::Int(value)) } else { Err(Unsure) }
}

fn bounded_float(value: f64, limit: f64) -> Sure<Found> {
    if value.abs() <= limit { Ok(Found::Float(value)) } else { Err(Unsure) }
}

/// Reads records of one shape.
#[pyclass(frozen, module = "streamframe_native")]
pub(crate) struct JsonReader {
    fields: Vec<Field>,
}

#[pymethods]
impl JsonReader {
    /// Each field: its name, the word for its type, its bounds or limit and units a second, whether it may be null.
    #[new]
    fn new(fields: Vec<(String, String, i64, i64, bool)>) -> PyResult<Self> {
        guarded(|| {
            let read = |(name, word, first, second, nullable): (String, String, i64, i64, bool)| {
                let kind = match word.as_str() {
                    "bool" => Kind::Bool,
                    "int8" | "uint8" => Kind::Int { low: first, high: second, width: 1 },
                    "int16" | "uint16" => Kind::Int { low: first, high: second, width: 2 },
                    "int32" | "uint32" => Kind::Int { low: first, high: second, width: 4 },
                    "int64" | "uint64" => Kind::Int { low: first, high: second, width: 8 },
                    "float32" => Kind::Float32,
                    "float64" => Kind::Float64,
                    "text" => Kind::Text,
                    "time" => Kind::Time { limit: first, per_second: second },
                    _ => {
                        return Err(PyValueError::new_err(format!("unknown kind of field: {word}")));
                    }
                };
                Ok(Field { name: name.into_bytes(), kind, nullable })
            };
            Ok(Self { fields: fields.into_iter().map(read).collect::<PyResult<_>>()? })
        })
    }

    /// Read payloads: the buffers of each column, the unsure rows, the null rows; the others are in the columns.
    ///
    /// Buffers are `(validity or None, offsets or None, data)`.
    #[allow(clippy::type_complexity)]
    fn read<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyList>, Vec<usize>, Vec<usize>)> {
        guarded(|| {
            let source = Source::new(values)?;
            let (batch, unsure, nulls) = py.detach(|| {
                let mut batch = Batch::new(&self.fields, source.len());
                let (mut unsure, mut nulls) = (Vec::new(), Vec::new());
                for row in 0..source.len() {
                    match source.get(row) {
                        None => nulls.push(row),
                        Some(record) if batch.read(record) => {}
                        Some(_) => unsure.push(row),
                    }
                }
                (batch, unsure, nulls)
            });
            let columns = PyList::empty(py);
            for (field, column) in self.fields.iter().zip(&batch.columns) {
                columns.append(column.buffers(py, field.kind)?)?;
            }
            Ok((columns, unsure, nulls))
        })
    }
}
