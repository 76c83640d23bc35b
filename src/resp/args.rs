//! The arguments of one request: spans into the bytes that were received.
//!
//! `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n` becomes two spans, `(8,3)` and `(17,1)`; nothing is copied. A request
//! that must outlive its bytes (a MULTI queue, a rewritten command) is an [`OwnedArgs`].

use crate::ds::prefetch;

/// Start and length of one argument inside the request's bytes.
///
/// 32 bits each: a request is bounded by `client-query-buffer-limit`, and the decoder refuses one that
/// would pass 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    /// Offset behind the argument.
    #[inline]
    pub fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }
}

/// A borrowed request. `args.at(0)` is the command's name as the client wrote it.
///
/// ```text
/// *2\r\n$3\r\nGET\r\n$1\r\nk\r\n    a record, as a log has it: `bytes` end behind the last line
/// *2\r\n$3\r\nGET\r\n$1\rxk        anything else: they end with the last argument
/// ```
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments in `bytes`, which end as above.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Args { bytes, spans }
    }

    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`, or `None` behind the last.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        self.bytes.get(span.start as usize..span.start as usize + span.len as usize)
    }

    /// The argument at `index`, empty behind the last. For positions that the arity guarantees.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        self.get(index).unwrap_or_default()
    }

    /// Hints that the argument at `index` will be asked for: first where it lies is fetched, and for who says so when that has come
    /// (`is_near`), what lies there.
    #[inline]
    pub fn prefetch(&self, index: usize, is_near: bool) {
        match is_near {
            false => self.spans.get(index).into_iter().for_each(|span| prefetch::read(span)),
            true => prefetch::read(self.at(index).as_ptr()),
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + use<'a> {
        let args = *self;
        (0..args.len()).map(move |index| args.at(index))
    }

    /// Reads from `index` on, one argument after the other.
    pub fn cursor(&self, index: usize) -> Cursor<'a> {
        Cursor { args: *self, index }
    }

    pub fn to_owned(&self) -> OwnedArgs {
        let mut owned = OwnedArgs {
            bytes: Vec::with_capacity(self.total_bytes()),
            spans: Vec::with_capacity(self.spans.len()),
        };
        self.iter().for_each(|arg| owned.push(arg));
        owned
    }

    /// The bytes that the arguments lie in, if these are a command as [`push_record`](super::push_record) writes it. Then copying
    /// them is the same as writing them anew.
    #[inline]
    pub fn as_record(&self) -> Option<&'a [u8]> {
        let (first, last) = (self.spans.first()?, self.spans.last()?);
        if self.bytes.len() == last.end() {
            return None;
        }
        let count = self.spans.len();
        let more_of_count = usize::from(count >= 10) + usize::from(count >= 100);
        let digits = more_of_count + usize::from(first.len >= 10) + usize::from(first.len >= 100);
        let begin = (first.start as usize).checked_sub(b"*1\r\n$4\r\n".len() + digits)?;
        self.bytes.get(begin..)
    }

    /// The bytes from the first argument to the last with what stands between them, of a record all of it, and where these begin.
    /// Arguments lie in the order in which they are counted, so copying this is one copy for all of them.
    #[inline]
    fn lying(&self) -> (u32, &'a [u8]) {
        let from = self.spans.first().map_or(0, |first| first.start);
        let bytes = self.as_record().or_else(|| self.bytes.get(from as usize..)).unwrap_or_default();
        ((self.bytes.len() - bytes.len()) as u32, bytes)
    }

    /// Bytes of all arguments together, for limits and statistics.
    pub fn total_bytes(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }
}

/// A request that owns its bytes.
#[derive(Clone, Default)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    pub fn from_slices<'a>(slices: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut owned = OwnedArgs::default();
        for slice in slices {
            owned.push(slice);
        }
        owned
    }

    /// Appends one argument. An argument list of more than 4 GiB can't be described and is cut: callers
    /// are bounded by the query-buffer limit long before.
    pub fn push(&mut self, arg: &[u8]) {
        let (Ok(start), Ok(len)) = (u32::try_from(self.bytes.len()), u32::try_from(arg.len())) else {
            return;
        };
        self.bytes.extend_from_slice(arg);
        self.spans.push(Span { start, len });
    }

    /// Forgets the arguments, keeping the memory for others.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    #[inline]
    pub fn as_args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }

    /// Heap bytes held, for `argv-mem` and `multi-mem` of CLIENT LIST.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}

/// Requests one behind the other, in buffers that they share: what MULTI queues.
#[derive(Default)]
pub struct OwnedRequests {
    bytes: Vec<u8>,
    /// Those of each request count from where its own bytes begin.
    spans: Vec<Span>,
    /// Where the bytes and the spans of each request begin.
    begins: Vec<(usize, usize)>,
}

impl OwnedRequests {
    pub fn push(&mut self, args: &Args<'_>) {
        if self.begins.capacity() == 0 {
            // Room for a dozen short ones at once, instead of little by little.
            self.bytes.reserve(512);
            self.spans.reserve(32);
            self.begins.reserve(12);
        }
        self.begins.push((self.bytes.len(), self.spans.len()));
        let (from, bytes) = args.lying();
        self.bytes.extend_from_slice(bytes);
        self.spans.extend(args.spans.iter().map(|span| Span { start: span.start - from, len: span.len }));
    }

    pub fn len(&self) -> usize {
        self.begins.len()
    }

    pub fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Args<'_>> {
        let end = (self.bytes.len(), self.spans.len());
        let ends = self.begins.iter().skip(1).copied().chain([end]);
        self.begins.iter().zip(ends).map(|(begin, end)| {
            let spans = self.spans.get(begin.1..end.1).unwrap_or_default();
            Args::new(self.bytes.get(begin.0..end.0).unwrap_or_default(), spans)
        })
    }

    /// Forgets all requests, and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.begins.clear();
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.spans.capacity() * size_of::<Span>()
            + self.begins.capacity() * size_of::<(usize, usize)>()
    }
}

/// Walks the arguments of a request; what options parse with.
pub struct Cursor<'a> {
    args: Args<'a>,
    index: usize,
}

impl<'a> Cursor<'a> {
    #[allow(clippy::should_implement_trait)] // an iterator would lose `peek` and `remaining` beside it
    pub fn next(&mut self) -> Option<&'a [u8]> {
        let arg = self.args.get(self.index)?;
        self.index += 1;
        Some(arg)
    }

    pub fn peek(&self) -> Option<&'a [u8]> {
        self.args.get(self.index)
    }

    /// How many arguments are left.
    pub fn remaining(&self) -> usize {
        self.args.len().saturating_sub(self.index)
    }

    /// Takes the next argument if it is `word` in any case.
    pub fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.index += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_share_buffers_and_stay_apart() {
        let mut requests = OwnedRequests::default();
        let words: [&[&[u8]]; 4] = [&[b"SET", b"key", b""], &[], &[b"PING"], &[b"GET", b"\0\r\n"]];
        for round in 0..2 {
            for request in words {
                requests.push(&OwnedArgs::from_slices(request.iter().copied()).as_args());
            }
            let read: Vec<Vec<&[u8]>> = requests.iter().map(|args| args.iter().collect()).collect();
            assert_eq!(read, words, "round {round}");
            assert_eq!((requests.len(), requests.is_empty()), (4, false));
            requests.clear();
            assert_eq!((requests.iter().count(), requests.is_empty()), (0, true));
        }
    }
}
