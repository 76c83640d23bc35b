//! Replies to bytes, for RESP2 and RESP3.
//!
//! [`Output`] collects what a connection still has to send; [`Writer`] appends values to it in the protocol
//! version of the client. Small values are copied into the tail; values of [`SHARED_MIN_BYTES`] and more
//! are queued by reference count, so that a 1 MB GET copies nothing in user space.
//!
//! ```text
//! Output:  [chunk][chunk][…]  [tail being written]
//!           ▲ sent from here           ▲ Writer appends here
//! ```
//!
//! **Invariant:** an aggregate's header announces exactly the elements that follow; status and error lines
//! hold no CR, LF or NUL.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::base::digits;
use crate::base::float::push_f64;

/// A tail as long as this that is full becomes a chunk: a longer one would be copied when it grows, and long replies would
/// touch three times their memory.
const CHUNK_BYTES: usize = 256 * 1024;

/// Values from this size on are sent by reference instead of being copied.
pub const SHARED_MIN_BYTES: usize = 16 * 1024;

/// Room that is made for messages at least, and how much grows in leaps.
const MESSAGES_MIN_BYTES: usize = 1024;
const MESSAGES_MAX_BYTES: usize = 4096;

/// Protocol version of a client, chosen by HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    #[default]
    Resp2,
    Resp3,
}

/// Bytes that wait to be sent, in order.
///
/// An output can have a bound for what is produced into it ([`Output::set_limit`]): bulks beyond it are dropped and the output
/// says so ([`Output::is_over`]). It can't be sent any more then; who cut it off closes the connection. So a reply of
/// a million elements to somebody who may have a megabyte takes a megabyte.
pub struct Output {
    chunks: VecDeque<Bytes>,
    chunk_bytes: usize,
    tail: Vec<u8>,
    /// Bytes of `tail` that are already sent; only when `chunks` is empty.
    tail_sent: usize,
    /// Bytes beyond which no bulk is added.
    limit: usize,
    is_over: bool,
}

impl Default for Output {
    fn default() -> Output {
        Output {
            chunks: VecDeque::new(),
            chunk_bytes: 0,
            tail: Vec::new(),
            tail_sent: 0,
            limit: usize::MAX,
            is_over: false,
        }
    }
}

impl Output {
    /// From now on this output, which is empty, writes into `buffer`, whose contents are dropped.
    pub fn write_into(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.tail = buffer;
        self.tail_sent = 0;
        self.is_over = false;
    }

    /// Takes all that is queued, in one piece.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        if self.chunks.is_empty() && self.tail_sent == 0 {
            return std::mem::take(&mut self.tail);
        }
        let mut bytes = Vec::with_capacity(self.len());
        self.chunks.drain(..).for_each(|chunk| bytes.extend_from_slice(&chunk));
        bytes.extend_from_slice(self.tail.get(self.tail_sent..).unwrap_or_default());
        *self = Output::default();
        bytes
    }

    /// All that is queued, made one piece.
    #[inline]
    pub fn flatten(&mut self) -> &[u8] {
        if !self.chunks.is_empty() {
            let bytes = self.take_bytes();
            *self = Output { tail: bytes, ..Output::default() };
        }
        self.tail.get(self.tail_sent..).unwrap_or_default()
    }

    /// Takes the empty buffer back for somebody else's use.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.tail_sent = 0;
        std::mem::take(&mut self.tail)
    }

    /// Bytes still to be sent.
    pub fn len(&self) -> usize {
        self.chunk_bytes + self.tail.len() - self.tail_sent
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on no bulk is added while more than so many bytes are held.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Whether something was dropped because of the limit; what is held is not a whole reply then.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether there is room for another bulk; notes that there is not.
    #[inline]
    fn has_room(&mut self) -> bool {
        if self.chunk_bytes + self.tail.len() > self.limit {
            self.is_over = true;
            return false;
        }
        true
    }

    /// Heap bytes held, shared values included.
    pub fn heap_bytes(&self) -> usize {
        self.chunk_bytes + self.tail.capacity()
    }

    /// Number of queued chunks beside the tail (`oll` of CLIENT LIST).
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// A position that [`Output::truncate`] can return to.
    pub fn mark(&self) -> usize {
        self.len()
    }

    /// Forgets what was written since `mark`. Nothing behind a mark may have been sent.
    pub fn truncate(&mut self, mark: usize) {
        if let Some(tail_len) = mark.checked_sub(self.chunk_bytes) {
            self.tail.truncate(self.tail_sent + tail_len);
            return;
        }
        // Chunks stand before the tail, so nothing of the tail is sent.
        self.tail.clear();
        while let Some(chunk) = self.chunks.back_mut() {
            let surplus = self.chunk_bytes - mark;
            if surplus < chunk.len() {
                chunk.truncate(chunk.len() - surplus);
                self.chunk_bytes = mark;
                return;
            }
            self.chunk_bytes -= chunk.len();
            self.chunks.pop_back();
        }
    }

    /// A writer in the given protocol version.
    #[inline]
    pub fn writer(&mut self, proto: Proto) -> Writer<'_> {
        Writer { out: self, proto }
    }

    /// Queues bytes that are already RESP (a message encoded once for many clients).
    pub fn push_encoded(&mut self, encoded: &Bytes) {
        if encoded.len() < SHARED_MIN_BYTES {
            if self.tail.capacity() - self.tail.len() < encoded.len() {
                // Who gets one message gets more before they are sent: four times the room, while that is little.
                let room = 3 * self.tail.capacity().min(MESSAGES_MAX_BYTES);
                self.tail.reserve(encoded.len().max(room).max(MESSAGES_MIN_BYTES));
            }
            self.tail.extend_from_slice(encoded);
        } else {
            self.push_shared(encoded.clone());
        }
    }

    /// Queues all that another output holds.
    pub fn append(&mut self, other: Output) {
        if self.is_empty() && self.tail.capacity() == 0 {
            *self = other;
            return;
        }
        other.chunks.into_iter().for_each(|chunk| self.push_encoded(&chunk));
        self.tail.extend_from_slice(other.tail.get(other.tail_sent..).unwrap_or_default());
    }

    /// Inserts `head` at `mark`, before what was written since.
    fn insert(&mut self, mark: usize, head: &[u8]) {
        if let Some(at) = mark.checked_sub(self.chunk_bytes) {
            let at = self.tail_sent + at;
            self.tail.splice(at..at, head.iter().copied());
            return;
        }
        // Chunks were queued since the mark: find the one that the mark falls into and put the head before it.
        let mut before = self.chunk_bytes;
        for index in (0..self.chunks.len()).rev() {
            before -= self.chunks.get(index).map_or(0, Bytes::len);
            if before <= mark {
                if let Some(mut chunk) = self.chunks.remove(index) {
                    let rest = chunk.split_off(mark - before);
                    for piece in [rest, Bytes::copy_from_slice(head), chunk] {
                        if !piece.is_empty() {
                            self.chunks.insert(index, piece);
                        }
                    }
                }
                break;
            }
        }
        self.chunk_bytes += head.len();
    }

    fn push_shared(&mut self, value: Bytes) {
        self.queue_tail();
        self.chunk_bytes += value.len();
        self.chunks.push_back(value);
    }

    /// Makes the tail a chunk, if something of it is unsent.
    fn queue_tail(&mut self) {
        if self.tail.len() > self.tail_sent {
            let sent = std::mem::take(&mut self.tail_sent);
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            // Only the unsent part counts from now on.
            let _ = tail.split_to(sent);
            self.chunk_bytes += tail.len();
            self.chunks.push_back(tail);
        }
    }

    /// Makes room for `more` bytes in the tail.
    #[inline]
    fn reserve(&mut self, more: usize) {
        if self.tail.capacity() - self.tail.len() < more {
            self.make_room(more);
        }
    }

    #[cold]
    fn make_room(&mut self, more: usize) {
        if self.tail.len() >= CHUNK_BYTES {
            self.queue_tail();
            self.tail.reserve_exact(more.max(CHUNK_BYTES));
        } else {
            self.tail.reserve(more);
        }
    }

    /// All bytes to send, when they lie in one piece.
    #[inline]
    pub fn as_slice(&self) -> Option<&[u8]> {
        if self.chunks.is_empty() { self.tail.get(self.tail_sent..) } else { None }
    }

    /// The next bytes to send, as slices for a vectored write; returns how many slices were filled.
    pub fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let unsent = self.tail.get(self.tail_sent..).unwrap_or_default();
        let pieces = self.chunks.iter().map(|chunk| &chunk[..]).chain([unsent]);
        let mut count = 0;
        for (slot, piece) in into.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Drops `sent` bytes from the front.
    pub fn advance(&mut self, mut sent: usize) {
        while sent > 0 {
            let Some(chunk) = self.chunks.front_mut() else { break };
            let step = sent.min(chunk.len());
            let _ = chunk.split_to(step);
            self.chunk_bytes -= step;
            sent -= step;
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.tail_sent += sent;
        if self.tail_sent >= self.tail.len() {
            self.tail.clear();
            self.tail_sent = 0;
        }
    }
}

/// Appends values in one client's protocol version.
pub struct Writer<'o> {
    out: &'o mut Output,
    proto: Proto,
}

impl Writer<'_> {
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// Where it writes to.
    pub fn output(&mut self) -> &mut Output {
        self.out
    }

    /// Writes what follows in another protocol version.
    pub fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    fn is_resp3(&self) -> bool {
        self.proto == Proto::Resp3
    }

    /// `+OK`, what most writes answer.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// `+text`; our own words, in which nothing ends a line.
    #[inline]
    pub fn status(&mut self, text: &'static str) {
        debug_assert!(!text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        let tail = &mut self.out.tail;
        tail.reserve(text.len() + 3);
        tail.push(b'+');
        tail.extend_from_slice(text.as_bytes());
        tail.extend_from_slice(b"\r\n");
    }

    /// A status that comes from outside.
    pub fn status_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// `-text`; the text begins with its code (`ERR …`, `WRONGTYPE …`). Line ends behind it, quoted from a request,
    /// are dropped, and those within become blanks, as Redis has it.
    pub fn error(&mut self, text: &[u8]) {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let len = text.iter().rposition(|byte| !is_line_end(byte)).map_or(0, |last| last + 1);
        self.line(b'-', text.get(..len).unwrap_or(text));
    }

    #[inline]
    pub fn int(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A counter. Beyond 2^63 - 1, where only XSETID and its like can lead one, its bits are told as a signed number, as Redis
    /// does.
    pub fn uint(&mut self, value: u64) {
        self.int(value as i64);
    }

    /// A count or length.
    #[inline]
    pub fn count(&mut self, value: usize) {
        self.uint(value as u64);
    }

    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        if !self.out.has_room() {
            return;
        }
        self.out.reserve(value.len() + HEADER_MAX_BYTES + 2);
        let tail = &mut self.out.tail;
        push_header(tail, b'$', value.len() as i64);
        tail.extend_from_slice(value);
        tail.extend_from_slice(b"\r\n");
    }

    /// A bulk that is sent by reference.
    pub fn bulk_shared(&mut self, value: Bytes) {
        if value.len() < SHARED_MIN_BYTES {
            return self.bulk(&value);
        }
        if !self.out.has_room() {
            return;
        }
        self.header(b'$', value.len() as i64);
        self.out.push_shared(value);
        self.out.tail.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Nothing, where a value could stand.
    #[inline]
    pub fn null(&mut self) {
        self.raw(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing, where an array could stand.
    pub fn null_array(&mut self) {
        self.raw(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    pub fn bulk_or_null(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.bulk(value),
            None => self.null(),
        }
    }

    /// RESP3 `#t`/`#f`, RESP2 `:1`/`:0`.
    pub fn boolean(&mut self, value: bool) {
        self.raw(match (self.is_resp3(), value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// RESP3 `,1.5`, RESP2 a bulk with the same digits.
    pub fn double(&mut self, value: f64) {
        let mut digits = Vec::with_capacity(32);
        push_f64(&mut digits, value);
        if self.is_resp3() {
            self.line(b',', &digits);
        } else {
            self.bulk(&digits);
        }
    }

    /// RESP3 `=` with a three-letter format, RESP2 a bulk.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if !self.is_resp3() {
            return self.bulk(text);
        }
        self.header(b'=', text.len() as i64 + 4);
        let tail = &mut self.out.tail;
        tail.extend_from_slice(format);
        tail.push(b':');
        tail.extend_from_slice(text);
        tail.extend_from_slice(b"\r\n");
    }

    /// Header of an array; `len` values must follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// Header of a map of `pairs`; RESP2 an array of twice as many values.
    pub fn map(&mut self, pairs: usize) {
        match self.proto {
            Proto::Resp3 => self.header(b'%', pairs as i64),
            Proto::Resp2 => self.header(b'*', pairs as i64 * 2),
        }
    }

    /// Header of a set; RESP2 an array.
    pub fn set(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'~' } else { b'*' }, len as i64);
    }

    /// Header of an out-of-band push; RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'>' } else { b'*' }, len as i64);
    }

    /// RESP3 header of attributes, `pairs` of which must follow before the value they are about. RESP2 has no
    /// attributes: write neither header nor pairs.
    pub fn attribute(&mut self, pairs: usize) {
        self.header(b'|', pairs as i64);
    }

    /// RESP3 `(` with the digits of a whole number of any size, RESP2 a bulk. Scripts put any bytes there; those that would
    /// end the line are replaced by blanks.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.is_resp3() {
            self.line_without(b'(', digits, |byte| matches!(byte, b'\r' | b'\n'));
        } else {
            self.bulk(digits);
        }
    }

    /// An array whose length is only known when it has been written: `fill` returns it.
    pub fn array_counted(&mut self, fill: impl FnOnce(&mut Writer<'_>) -> usize) {
        self.counted(b'*', fill);
    }

    /// As [`Writer::array_counted`], a set; RESP2 an array.
    pub fn set_counted(&mut self, fill: impl FnOnce(&mut Writer<'_>) -> usize) {
        self.counted(if self.is_resp3() { b'~' } else { b'*' }, fill);
    }

    /// As [`Writer::array_counted`], a map: `fill` returns the number of pairs. In RESP2 it is an array whose elements
    /// `fill` must make arrays of two.
    pub fn map_counted(&mut self, fill: impl FnOnce(&mut Writer<'_>) -> usize) {
        self.counted(if self.is_resp3() { b'%' } else { b'*' }, fill);
    }

    fn counted(&mut self, marker: u8, fill: impl FnOnce(&mut Writer<'_>) -> usize) {
        let mark = self.out.mark();
        let len = fill(self);
        let mut head = Vec::with_capacity(16);
        push_header(&mut head, marker, len as i64);
        self.out.insert(mark, &head);
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        self.out.tail.extend_from_slice(bytes);
    }

    #[inline]
    fn header(&mut self, marker: u8, value: i64) {
        push_header(&mut self.out.tail, marker, value);
    }

    /// One line; bytes that would end it are replaced by blanks.
    #[inline]
    fn line(&mut self, marker: u8, text: &[u8]) {
        self.line_without(marker, text, |byte| matches!(byte, b'\r' | b'\n' | 0));
    }

    #[inline]
    fn line_without(&mut self, marker: u8, text: &[u8], is_unfit: impl Fn(u8) -> bool) {
        let tail = &mut self.out.tail;
        tail.reserve(text.len() + 3);
        tail.push(marker);
        let start = tail.len();
        tail.extend_from_slice(text);
        for byte in tail.iter_mut().skip(start) {
            if is_unfit(*byte) {
                *byte = b' ';
            }
        }
        tail.extend_from_slice(b"\r\n");
    }
}

/// Longest marker and number with its line end.
const HEADER_MAX_BYTES: usize = 1 + 20 + 2;

#[inline(always)] // Most of it falls away where the value is known to be a length.
fn push_header(into: &mut Vec<u8>, marker: u8, value: i64) {
    // Lengths and counts of one or two digits are most of what a server says.
    match u8::try_from(value) {
        Ok(value @ 0..=9) => into.extend_from_slice(&[marker, b'0' + value, b'\r', b'\n']),
        Ok(value @ 10..=99) => {
            into.extend_from_slice(&[marker, b'0' + value / 10, b'0' + value % 10, b'\r', b'\n']);
        }
        _ => push_long_header(into, marker, value),
    }
}

#[inline(never)] // So that the usual case is short.
fn push_long_header(into: &mut Vec<u8>, marker: u8, value: i64) {
    match u64::try_from(value) {
        Ok(number @ ..digits::END) => {
            let (text, len) = digits::short(number);
            let line_end = u128::from(u16::from_le_bytes(*b"\r\n")) << (8 * (1 + len));
            let line = u128::from(marker) | u128::from(text) << 8 | line_end;
            // Of a length that the compiler knows; what is too much of it is taken back.
            let end = into.len() + 1 + len + 2;
            into.extend_from_slice(&line.to_le_bytes());
            into.truncate(end);
        }
        _ => push_longest_header(into, marker, value),
    }
}

#[inline(never)] // As above.
fn push_longest_header(into: &mut Vec<u8>, marker: u8, value: i64) {
    into.push(marker);
    into.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    into.extend_from_slice(b"\r\n");
}
