//! The boundary to librdkafka and to numpy's memory: the only file with `unsafe`.
//!
//! The library is not linked: `open` finds the instance that `confluent_kafka` has loaded into this process and takes
//! its functions, which are covered by librdkafka's promise of a stable binary interface. A client is learned of by
//! the documented way: this library is a plug-in (`plugin.library.paths`), its interceptor `on_new` is given the
//! handle.
//!
//! Rules:
//! 1. A handle is used under the lock of its `Client` only. The interceptor `on_destroy` takes the lock, gives back
//!    all that was made here and empties the client, before the library frees anything: later calls find nothing.
//! 2. The queue of the consumer itself is waited on and never read: its events need callbacks that only the Python
//!    client can serve. Records come from queues of single partitions.
//! 3. No panic leaves a function that librdkafka calls.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::slice::from_raw_parts;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use libloading::os::unix::{Library, RTLD_NOW};
use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyIndexError;
use pyo3::{PyResult, Python};

/// `rd_kafka_message_t`.
#[repr(C)]
struct RawMessage {
    err: c_int,
    topic: *mut c_void,
    partition: i32,
    payload: *mut c_void,
    len: usize,
    key: *mut c_void,
    key_len: usize,
    offset: i64,
    private: *mut c_void,
}

type OnNew = unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void, *mut c_char, usize) -> c_int;
type OnDestroy = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
type OnAcknowledgement = unsafe extern "C" fn(*mut c_void, *mut RawMessage, *mut c_void) -> c_int;

/// The functions of the library in use, with the prototypes of `rdkafka.h`.
struct Api {
    version: unsafe extern "C" fn() -> c_int,
    conf_add_on_new: unsafe extern "C" fn(*mut c_void, *const c_char, OnNew, *mut c_void) -> c_int,
    add_on_destroy: unsafe extern "C" fn(*mut c_void, *const c_char, OnDestroy, *mut c_void) -> c_int,
    add_on_acknowledgement: unsafe extern "C" fn(*mut c_void, *const c_char, OnAcknowledgement, *mut c_void) -> c_int,
    conf_set: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *mut c_char, usize) -> c_int,
    topic_name: unsafe extern "C" fn(*const c_void) -> *const c_char,
    queue_get_partition: unsafe extern "C" fn(*mut c_void, *const c_char, i32) -> *mut c_void,
    queue_get_consumer: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    queue_forward: unsafe extern "C" fn(*mut c_void, *mut c_void),
    queue_destroy: unsafe extern "C" fn(*mut c_void),
    queue_io_event_enable: unsafe extern "C" fn(*mut c_void, c_int, *const c_void, usize),
    consume_batch_queue: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut RawMessage, usize) -> isize,
    message_destroy: unsafe extern "C" fn(*mut RawMessage),
    message_timestamp: unsafe extern "C" fn(*const RawMessage, *mut c_int) -> i64,
    message_errstr: unsafe extern "C" fn(*const RawMessage) -> *const c_char,
    message_headers: unsafe extern "C" fn(*const RawMessage, *mut *mut c_void) -> c_int,
    header_get_all:
        unsafe extern "C" fn(*const c_void, usize, *mut *const c_char, *mut *const c_void, *mut usize) -> c_int,
    topic_new: unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void) -> *mut c_void,
    topic_destroy: unsafe extern "C" fn(*mut c_void),
    producev: unsafe extern "C" fn(*mut c_void, ...) -> c_int,
    /// Keeps the functions above where they are.
    _library: Library,
}

static API: OnceLock<Api> = OnceLock::new();

const NAME: &CStr = c"streamframe";
const ONLY_ERRORS: &CStr = c"delivery.report.only.error";

/// Oldest version whose behaviour was looked at: 2.13.0.
const OLDEST_VERSION: c_int = 0x020d_00ff;

/// Take the functions of the library at `path`, which must be loaded already. Idempotent.
pub(crate) fn open(path: &str) -> Result<(), String> {
    if API.get().is_some() {
        return Ok(());
    }
    // SAFETY: RTLD_NOLOAD runs no initialiser: it only finds what is in the process already.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | libc::RTLD_NOLOAD) }
        .map_err(|_| format!("not the library that is loaded: {path}"))?;
    macro_rules! function {
        ($name:literal) => {
            // SAFETY: the symbol has the prototype of the field, as `rdkafka.h` declares it.
            unsafe { *library.get($name).map_err(|error| error.to_string())? }
        };
    }
    let api = Api {
        version: function!(b"rd_kafka_version"),
        conf_add_on_new: function!(b"rd_kafka_conf_interceptor_add_on_new"),
        add_on_destroy: function!(b"rd_kafka_interceptor_add_on_destroy"),
        add_on_acknowledgement: function!(b"rd_kafka_interceptor_add_on_acknowledgement"),
        conf_set: function!(b"rd_kafka_conf_set"),
        topic_name: function!(b"rd_kafka_topic_name"),
        queue_get_partition: function!(b"rd_kafka_queue_get_partition"),
        queue_get_consumer: function!(b"rd_kafka_queue_get_consumer"),
        queue_forward: function!(b"rd_kafka_queue_forward"),
        queue_destroy: function!(b"rd_kafka_queue_destroy"),
        queue_io_event_enable: function!(b"rd_kafka_queue_io_event_enable"),
        consume_batch_queue: function!(b"rd_kafka_consume_batch_queue"),
        message_destroy: function!(b"rd_kafka_message_destroy"),
        message_timestamp: function!(b"rd_kafka_message_timestamp"),
        message_errstr: function!(b"rd_kafka_message_errstr"),
        message_headers: function!(b"rd_kafka_message_headers"),
        header_get_all: function!(b"rd_kafka_header_get_all"),
        topic_new: function!(b"rd_kafka_topic_new"),
        topic_destroy: function!(b"rd_kafka_topic_destroy"),
        producev: function!(b"rd_kafka_producev"),
        _library: library,
    };
    // SAFETY: takes nothing and returns a number.
    let version = unsafe { (api.version)() };
    if version < OLDEST_VERSION {
        return Err(format!("librdkafka {version:#010x} is older than 2.13"));
    }
    let _ = API.set(api);
    Ok(())
}

thread_local! {
    /// The client that was made last by this thread and not yet taken.
    static MADE: RefCell<Option<Arc<Client>>> = const { RefCell::new(None) };
    /// What is being made is a producer whose reports of success nobody reads.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Say what this thread makes next: a producer that reports failures only, or any other client.
pub(crate) fn announce(silent: bool) {
    MADE.with(RefCell::take);
    SILENT.set(silent);
}

/// Return the client that this thread made last, once.
pub(crate) fn take_made() -> Option<Arc<Client>> {
    MADE.with(RefCell::take)
}

/// Entry point of a plug-in: called when a configuration names this library in `plugin.library.paths`.
#[unsafe(no_mangle)]
extern "C" fn conf_init(conf: *mut c_void, _opaque: *mut *mut c_void, _errstr: *mut c_char, _size: usize) -> c_int {
    // Before `open` there is nothing to call; -1 is not a known code and makes the client refuse the property.
    let Some(api) = API.get() else { return -1 };
    if SILENT.get() {
        // A report for each record costs as much as writing it: the record is kept until the application has asked.
        // SAFETY: `conf` is the configuration that librdkafka is setting up; both texts are copied.
        unsafe { (api.conf_set)(conf, ONLY_ERRORS.as_ptr(), c"true".as_ptr(), null_mut(), 0) };
    }
    // SAFETY: `conf` is the configuration that librdkafka is setting up; the name and the function live for ever.
    unsafe { (api.conf_add_on_new)(conf, NAME.as_ptr(), on_new, null_mut()) }
}

unsafe extern "C" fn on_new(
    handle: *mut c_void,
    _conf: *const c_void,
    _opaque: *mut c_void,
    _errstr: *mut c_char,
    _size: usize,
) -> c_int {
    let made = catch_unwind(|| {
        let api = API.get()?;
        let client = Arc::new(Client::new(handle).ok()?);
        let opaque = Arc::into_raw(client.clone()).cast_mut().cast();
        // SAFETY: `handle` is the client being made; `opaque` is given back by `on_destroy`, which is called once.
        let refused = unsafe { (api.add_on_destroy)(handle, NAME.as_ptr(), on_destroy, opaque) };
        if refused != 0 {
            // SAFETY: nobody else has it, since the interceptor was not added.
            drop(unsafe { Arc::from_raw(opaque.cast::<Client>()) });
            return None;
        }
        if SILENT.get() {
            // SAFETY: `handle` is the client being made; the function lives for ever and needs no opaque.
            let refused =
                unsafe { (api.add_on_acknowledgement)(handle, NAME.as_ptr(), on_acknowledgement, null_mut()) };
            if refused != 0 {
                // Nobody finds it in MADE; `on_destroy` cleans up.
                return None;
            }
        }
        MADE.with(|made| made.replace(Some(client)));
        Some(())
    });
    // A client that cannot be taken over is an ordinary client: nobody will find it in MADE.
    drop(made);
    0
}

unsafe extern "C" fn on_destroy(_handle: *mut c_void, opaque: *mut c_void) -> c_int {
    // SAFETY: `opaque` comes from `Arc::into_raw` in `on_new`, and this is the only call.
    let client = unsafe { Arc::from_raw(opaque.cast_const().cast::<Client>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| client.release()));
    0
}

/// What became of the last record that was written to a partition under watch.
#[derive(Clone)]
pub(crate) struct Fate {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Its offset; -1 while nothing was reported, or when the broker did not tell.
    pub(crate) offset: i64,
    /// The code of the first failure, or 0.
    pub(crate) code: i32,
}

/// Partitions under watch, by the address of the client: acknowledgements come also while it is being destroyed, so
/// they must not lead to memory of `Client`.
static WATCHED: Mutex<BTreeMap<usize, Vec<Fate>>> = Mutex::new(BTreeMap::new());

/// How many clients watch: mostly none, and then an acknowledgement costs a look at this.
static WATCHING: AtomicUsize = AtomicUsize::new(0);

fn watched() -> MutexGuard<'static, BTreeMap<usize, Vec<Fate>>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn on_acknowledgement(handle: *mut c_void, message: *mut RawMessage, _opaque: *mut c_void) -> c_int {
    if WATCHING.load(Ordering::Relaxed) > 0 {
        let _ = catch_unwind(|| {
            let api = API.get()?;
            // SAFETY: the library lends a live message of ours for the time of this call.
            let message = unsafe { &*message };
            let mut watched = watched();
            let fates = watched.get_mut(&handle.addr())?;
            // Results are acknowledged as well while a changelog is watched, many for each of its records.
            // SAFETY: a message of a producer has a topic with a name; both live longer than this call.
            let topic = unsafe { CStr::from_ptr((api.topic_name)(message.topic)) }.to_bytes();
            let fate =
                fates.iter_mut().find(|fate| fate.partition == message.partition && fate.topic.as_bytes() == topic)?;
            fate.offset = message.offset;
            if fate.code == 0 {
                fate.code = message.err;
            }
            Some(())
        });
    }
    0
}

/// The queue of one partition.
struct Queue {
    raw: *mut c_void,
    /// Mean bytes of its records, to ask for about as many as there is room for.
    mean: usize,
}

/// What was taken from the library; empty once the client is being destroyed.
struct Held {
    handle: *mut c_void,
    main: *mut c_void,
    queues: HashMap<usize, Queue>,
    topics: HashMap<String, *mut c_void>,
    next: usize,
    messages: Vec<*mut RawMessage>,
}

// SAFETY: librdkafka's handles may be used by any thread; the lock of `Client` keeps uses apart.
unsafe impl Send for Held {}

/// A client that `confluent_kafka` made and owns.
pub(crate) struct Client {
    held: Mutex<Held>,
    /// Written to by librdkafka when something comes to an empty queue.
    bell: PipeWriter,
    ring: PipeReader,
}

/// One record, as long as it is in the library's hands.
pub(crate) struct Message<'m> {
    raw: &'m RawMessage,
    api: &'static Api,
}

/// A header of a record.
pub(crate) type Header = (String, Option<Vec<u8>>);

/// What is said of a partition instead of a record: a code of librdkafka, its text, an offset.
pub(crate) type Note = (i32, String, i64);

/// The client is closed.
#[derive(Debug)]
pub(crate) struct Closed;

/// Bytes of the library, null meaning none.
///
/// # Safety
/// `start` is null, or points to `len` bytes that nobody writes to during `'m`.
unsafe fn bytes_at<'m>(start: *const c_void, len: usize) -> Option<&'m [u8]> {
    // SAFETY: as above.
    (!start.is_null()).then(|| unsafe { from_raw_parts(start.cast::<u8>(), len) })
}

/// A copy of a text of the library.
///
/// # Safety
/// `start` is null, or points to a text that a zero byte ends.
unsafe fn text_at(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
}

/// The elements of a buffer of Python, in place; `None` when they are not one behind the other.
///
/// The interpreter is held all the time that `'b` lasts, so no Python code writes to the buffer meanwhile.
pub(crate) fn elements<'b, T: Element>(_py: Python<'b>, buffer: &'b PyBuffer<T>) -> Option<&'b [T]> {
    if !buffer.is_c_contiguous() {
        return None;
    }
    if buffer.item_count() == 0 {
        return Some(&[]);
    }
    // SAFETY: `PyBuffer` keeps the memory where it is and has checked type and alignment; nobody writes, see above.
    Some(unsafe { from_raw_parts(buffer.buf_ptr().cast::<T>(), buffer.item_count()) })
}

impl<'m> Message<'m> {
    pub(crate) fn offset(&self) -> i64 {
        self.raw.offset
    }

    pub(crate) fn value(&self) -> Option<&'m [u8]> {
        // SAFETY: the bytes live as long as the message.
        unsafe { bytes_at(self.raw.payload, self.raw.len) }
    }

    pub(crate) fn key(&self) -> Option<&'m [u8]> {
        // SAFETY: the bytes live as long as the message.
        unsafe { bytes_at(self.raw.key, self.raw.key_len) }
    }

    pub(crate) fn timestamp(&self) -> i64 {
        let mut kind = 0;
        // SAFETY: the message is live, `kind` is a place for the answer.
        unsafe { (self.api.message_timestamp)(self.raw, &raw mut kind) }
    }

    pub(crate) fn note(&self) -> Option<Note> {
        if self.raw.err == 0 {
            return None;
        }
        // SAFETY: the message is live; the text is copied before it is not.
        let text = unsafe { text_at((self.api.message_errstr)(self.raw)) };
        Some((self.raw.err, text, self.raw.offset))
    }

    pub(crate) fn headers(&self) -> Vec<Header> {
        let mut headers = null_mut();
        // SAFETY: the message is live and keeps its headers; `headers` is a place for the answer.
        if unsafe { (self.api.message_headers)(self.raw, &raw mut headers) } != 0 || headers.is_null() {
            return Vec::new();
        }
        let mut found = Vec::new();
        loop {
            let (mut name, mut value, mut size) = (null(), null(), 0);
            // SAFETY: `headers` belongs to the live message; the others are places for the answer.
            let code = unsafe {
                (self.api.header_get_all)(headers, found.len(), &raw mut name, &raw mut value, &raw mut size)
            };
            if code != 0 {
                return found;
            }
            // SAFETY: the library has just answered with a text and bytes of the live headers.
            found.push(unsafe { (text_at(name), bytes_at(value, size).map(<[u8]>::to_vec)) });
        }
    }
}

/// Write one element of a buffer of Python; see `store_all`.
pub(crate) fn store<T: Element>(py: Python<'_>, buffer: &mut PyBuffer<T>, at: usize, value: T) -> PyResult<()> {
    store_all(py, buffer, at, &[value])
}

/// Write elements of a buffer of Python, from one on; they must be there and writable.
///
/// It takes the buffer for itself, so that no slice that `elements` has lent of it is alive.
pub(crate) fn store_all<T: Element>(
    _py: Python<'_>,
    buffer: &mut PyBuffer<T>,
    at: usize,
    values: &[T],
) -> PyResult<()> {
    let there = buffer.item_count().checked_sub(at).is_some_and(|room| room >= values.len());
    if buffer.readonly() || !buffer.is_c_contiguous() || !there {
        return Err(PyIndexError::new_err("not elements that can be written"));
    }
    // SAFETY: within the memory that `PyBuffer` keeps where it is, of a checked type and writable; the interpreter is
    // held, nobody here reads meanwhile, and `values` is memory of ours: no slice of a buffer outlives its reader.
    unsafe { values.as_ptr().copy_to(buffer.buf_ptr().cast::<T>().add(at), values.len()) };
    Ok(())
}

/// Gives messages back to the library, also when somebody panics over them.
struct Taken<'a> {
    api: &'static Api,
    messages: &'a [*mut RawMessage],
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for message in self.messages {
            // SAFETY: the library handed each of them out for us to destroy once.
            unsafe { (self.api.message_destroy)(*message) };
        }
    }
}

impl Client {
    fn new(handle: *mut c_void) -> std::io::Result<Self> {
        let (ring, bell) = std::io::pipe()?;
        for end in [ring.as_raw_fd(), bell.as_raw_fd()] {
            // SAFETY: both ends are open; the flag only says that nobody waits in a read or write.
            if unsafe { libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK) } != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        let held = Held {
            handle,
            main: null_mut(),
            queues: HashMap::new(),
            topics: HashMap::new(),
            next: 0,
            messages: Vec::new(),
        };
        Ok(Self { held: Mutex::new(held), bell, ring })
    }

    fn open(&self) -> Result<(&'static Api, MutexGuard<'_, Held>), Closed> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match API.get() {
            Some(api) if !held.handle.is_null() => Ok((api, held)),
            _ => Err(Closed),
        }
    }

    /// Give back all that was taken, and be closed from now on.
    pub(crate) fn release(&self) {
        let Ok((api, mut held)) = self.open() else {
            return;
        };
        forget_fates(held.handle);
        held.handle = null_mut();
        let main = std::mem::replace(&mut held.main, null_mut());
        let queues = held.queues.drain().map(|(_, queue)| queue.raw).chain((!main.is_null()).then_some(main));
        for queue in queues.collect::<Vec<_>>() {
            give_back_queue(api, queue);
        }
        for (_, topic) in held.topics.drain() {
            // SAFETY: made by `topic_new`, given back once.
            unsafe { (api.topic_destroy)(topic) };
        }
    }

    /// Take the queue of a partition away from the consumer's, before the partition is assigned; return its number.
    pub(crate) fn take_partition(&self, topic: &CStr, partition: i32) -> Result<usize, Closed> {
        let (api, mut held) = self.open()?;
        if held.main.is_null() {
            // SAFETY: the handle is live under the lock, and is a consumer: only those are assigned partitions.
            held.main = unsafe { (api.queue_get_consumer)(held.handle) };
            if held.main.is_null() {
                return Err(Closed);
            }
            self.hang_bell(api, held.main);
        }
        // SAFETY: the handle is live under the lock; the name is copied.
        let raw = unsafe { (api.queue_get_partition)(held.handle, topic.as_ptr(), partition) };
        if raw.is_null() {
            return Err(Closed);
        }
        // SAFETY: the queue is ours until it is given back; null means no other queue.
        unsafe { (api.queue_forward)(raw, null_mut()) };
        self.hang_bell(api, raw);
        let number = held.next;
        held.next += 1;
        held.queues.insert(number, Queue { raw, mean: FIRST_MEAN });
        Ok(number)
    }

    fn hang_bell(&self, api: &Api, queue: *mut c_void) {
        // SAFETY: the queue is live. The library copies the byte; the descriptor stays open as long as `self`, and
        // `give_back_queue` takes it away before.
        unsafe { (api.queue_io_event_enable)(queue, self.bell.as_raw_fd(), c"!".as_ptr().cast(), 1) };
    }

    /// Give a partition's queue back, before the partition is unassigned.
    ///
    /// What was fetched is thrown away: in a queue that nobody reads it would stay for as long as the client lives.
    pub(crate) fn drop_partition(&self, number: usize) {
        let _ = self.consume(number, DROPPED_MAX, usize::MAX, |_| {});
        let Ok((api, mut held)) = self.open() else {
            return;
        };
        if let Some(queue) = held.queues.remove(&number) {
            give_back_queue(api, queue.raw);
        }
    }

    /// Take up to `records_max` records, about `bytes_max` bytes, from a partition's queue, without waiting.
    ///
    /// Returns whether there may be more.
    pub(crate) fn consume(
        &self,
        number: usize,
        records_max: usize,
        bytes_max: usize,
        mut take: impl FnMut(&Message<'_>),
    ) -> Result<bool, Closed> {
        let (api, mut held) = self.open()?;
        let held = &mut *held;
        let Some(queue) = held.queues.get_mut(&number) else {
            return Ok(false);
        };
        let (mut records_left, mut bytes_left) = (records_max, bytes_max);
        while records_left > 0 && bytes_left > 0 {
            let wanted = records_left.min(CHUNK).min((bytes_left / queue.mean.max(1)).max(1));
            held.messages.resize(CHUNK, null_mut());
            // SAFETY: the queue is live under the lock and is no consumer queue (rule 2); the vector has room.
            let count = unsafe { (api.consume_batch_queue)(queue.raw, 0, held.messages.as_mut_ptr(), wanted) };
            let count = usize::try_from(count).unwrap_or(0).min(wanted);
            let taken = Taken { api, messages: &held.messages[..count] };
            let mut bytes = 0;
            for raw in taken.messages {
                // SAFETY: the library has put a pointer to a live message there; `taken` destroys it later.
                let message = Message { raw: unsafe { &**raw }, api };
                bytes += message.raw.len + message.raw.key_len;
                take(&message);
            }
            drop(taken);
            if count < wanted {
                return Ok(false);
            }
            queue.mean = bytes.div_ceil(count).max(1);
            records_left -= count;
            bytes_left = bytes_left.saturating_sub(bytes);
        }
        Ok(true)
    }

    /// Wait until something comes to a queue that was empty, or the time is over, or a signal came.
    pub(crate) fn wait(&self, longest: Duration) {
        let fd = self.ring.as_raw_fd();
        let mut asked = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let millis = c_int::try_from(longest.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: one descriptor, which is open as long as `self`.
        let ready = unsafe { libc::poll(&raw mut asked, 1, millis) };
        let mut scratch = [0_u8; 256];
        // SAFETY: the buffer has that many bytes; the descriptor does not block.
        while ready > 0 && unsafe { libc::read(fd, scratch.as_mut_ptr().cast(), scratch.len()) } == 256 {}
    }

    /// Take note from now on of what becomes of records for these partitions.
    pub(crate) fn watch(&self, partitions: Vec<(String, i32)>) -> Result<(), Closed> {
        let (_, held) = self.open()?;
        let fates = partitions.into_iter().map(|(topic, partition)| Fate { topic, partition, offset: -1, code: 0 });
        if watched().insert(held.handle.addr(), fates.collect()).is_none() {
            WATCHING.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Return what became of them, and watch no longer.
    pub(crate) fn fates(&self) -> Result<Vec<Fate>, Closed> {
        let (_, held) = self.open()?;
        Ok(forget_fates(held.handle))
    }

    /// Queue records for a topic, from `rows` on; return how many and the code that stopped it, or 0.
    pub(crate) fn produce<'r>(
        &self,
        topic: &str,
        rows: impl Iterator<Item = Outgoing<'r>>,
    ) -> Result<(usize, i32), Closed> {
        let (api, mut held) = self.open()?;
        let handle = held.handle;
        let topic = match held.topics.get(topic) {
            Some(known) => *known,
            None => {
                let Ok(name) = CString::new(topic) else {
                    return Ok((0, UNKNOWN_TOPIC));
                };
                // SAFETY: the handle is live under the lock; null takes the topic settings of the client.
                let made = unsafe { (api.topic_new)(handle, name.as_ptr(), null_mut()) };
                if made.is_null() {
                    return Ok((0, UNKNOWN_TOPIC));
                }
                held.topics.insert(topic.to_owned(), made);
                made
            }
        };
        let mut queued = 0;
        for row in rows {
            let (value, value_len) = parts(row.value);
            let (key, key_len) = parts(row.key);
            // SAFETY: handle and topic are live under the lock; tags and values are paired as `rdkafka.h` says, with
            // the C types of each; MSG_F_COPY: the bytes are copied before the call returns.
            let code = unsafe {
                (api.producev)(
                    handle,
                    VTYPE_RKT,
                    topic,
                    VTYPE_PARTITION,
                    row.partition as c_int,
                    VTYPE_VALUE,
                    value,
                    value_len,
                    VTYPE_KEY,
                    key,
                    key_len,
                    VTYPE_MSGFLAGS,
                    MSG_F_COPY,
                    VTYPE_TIMESTAMP,
                    row.timestamp,
                    VTYPE_END,
                )
            };
            if code != 0 {
                return Ok((queued, code));
            }
            queued += 1;
        }
        Ok((queued, 0))
    }
}

/// A record to be written.
pub(crate) struct Outgoing<'r> {
    pub(crate) value: Option<&'r [u8]>,
    pub(crate) key: Option<&'r [u8]>,
    /// -1: the client's partitioner decides.
    pub(crate) partition: i32,
    /// Milliseconds; 0: the time of writing.
    pub(crate) timestamp: i64,
}

fn parts(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

fn forget_fates(handle: *mut c_void) -> Vec<Fate> {
    let found = watched().remove(&handle.addr());
    if found.is_some() {
        WATCHING.fetch_sub(1, Ordering::Relaxed);
    }
    found.unwrap_or_default()
}

fn give_back_queue(api: &Api, queue: *mut c_void) {
    // SAFETY: the queue was taken by `Client` and is given back once; -1 takes the bell away.
    unsafe {
        (api.queue_io_event_enable)(queue, -1, null(), 0);
        (api.queue_destroy)(queue);
    }
}

/// Bytes that a record is taken to have before any was seen: rather too many than too few.
const FIRST_MEAN: usize = 32 << 10;

/// Records taken by one call: more at once fall out of the cache before they are copied.
const CHUNK: usize = 512;

/// Records thrown away with a queue, for the case that they come as fast as they go.
const DROPPED_MAX: usize = 1 << 20;

const UNKNOWN_TOPIC: i32 = -188;
const MSG_F_COPY: c_int = 2;
const VTYPE_END: c_int = 0;
const VTYPE_RKT: c_int = 2;
const VTYPE_PARTITION: c_int = 3;
const VTYPE_VALUE: c_int = 4;
const VTYPE_KEY: c_int = 5;
const VTYPE_MSGFLAGS: c_int = 7;
const VTYPE_TIMESTAMP: c_int = 8;
