//! The slow log: the last commands that took longer than the threshold.
//!
//! An entry keeps a bounded copy of its command: at most 32 arguments, the last of which says how
//! many were left out, and at most 128 bytes of each, again with a note of how many are missing. So a
//! full log of the default 128 entries stays below a megabyte whatever clients send. Ids count from
//! zero, never repeat and survive a reset, so a poller notices what it missed.
//!
//! Copying happens outside the lock; a push then moves one entry.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Arguments kept, the note about further ones included.
const ARGUMENTS_MAX: usize = 32;
/// Bytes kept of one argument, the note not included.
const ARGUMENT_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts up from 0 for the life of the log.
    pub id: u64,
    /// When the command ran, in seconds since the Unix epoch.
    pub unix_s: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Its arguments, shortened.
    pub arguments: Vec<Box<[u8]>>,
    /// The client's address, `ip:port` or a socket path.
    pub client_address: Box<str>,
    /// The client's name, empty if it has none.
    pub client_name: Box<[u8]>,
}

/// The log itself, shared by all workers.
#[derive(Debug)]
pub struct Slowlog {
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    next_id: u64,
    max_len: usize,
}

impl Slowlog {
    /// An empty log of at most `max_len` entries.
    pub fn new(max_len: usize) -> Slowlog {
        Slowlog { ring: Mutex::new(Ring { entries: VecDeque::new(), next_id: 0, max_len }) }
    }

    /// Adds an entry; the oldest goes if the log is full.
    pub fn push<'a>(
        &self,
        unix_s: u64,
        duration_us: u64,
        arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        client_address: &str,
        client_name: &[u8],
    ) {
        let arguments = shorten(arguments);
        let (client_address, client_name) = (client_address.into(), client_name.into());
        let entry = Entry { id: 0, unix_s, duration_us, arguments, client_address, client_name };
        // The entry that falls out is freed after the lock.
        let _oldest = self.ring.lock().push(entry);
    }

    /// The newest `count` entries, newest first.
    pub fn latest(&self, count: usize) -> Vec<Entry> {
        self.ring.lock().entries.iter().rev().take(count).cloned().collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.ring.lock().entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; ids go on.
    pub fn reset(&self) {
        let _entries = std::mem::take(&mut self.ring.lock().entries);
    }

    /// Changes the capacity; the oldest entries beyond it go at once. A capacity of 0 stops the log as in Redis: nothing
    /// is added, and what is there stays.
    pub fn set_max_len(&self, max_len: usize) {
        let mut ring = self.ring.lock();
        ring.max_len = max_len;
        if max_len == 0 {
            return;
        }
        let excess = ring.entries.len().saturating_sub(max_len);
        ring.entries.drain(..excess);
    }
}

impl Ring {
    fn push(&mut self, mut entry: Entry) -> Option<Entry> {
        if self.max_len == 0 {
            return Some(entry);
        }
        entry.id = self.next_id;
        self.next_id += 1;
        let oldest = if self.entries.len() >= self.max_len { self.entries.pop_front() } else { None };
        self.entries.push_back(entry);
        oldest
    }
}

fn shorten<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Box<[u8]>> {
    let count = arguments.len();
    if count <= ARGUMENTS_MAX {
        return arguments.map(shorten_one).collect();
    }
    let mut kept: Vec<_> = arguments.take(ARGUMENTS_MAX - 1).map(shorten_one).collect();
    let note = format!("... ({} more arguments)", count - kept.len());
    kept.push(note.into_bytes().into());
    kept
}

fn shorten_one(argument: &[u8]) -> Box<[u8]> {
    match argument.split_at_checked(ARGUMENT_BYTES_MAX) {
        Some((kept, rest)) if !rest.is_empty() => {
            [kept, format!("... ({} more bytes)", rest.len()).as_bytes()].concat().into()
        }
        _ => argument.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(log: &Slowlog, arguments: &[&[u8]]) {
        log.push(1_795_255_012, 15, arguments.iter().copied(), "127.0.0.1:37412", b"foo");
    }

    #[test]
    fn newest_first_and_the_oldest_falls_out() {
        let log = Slowlog::new(2);
        for name in [b"a", b"b", b"c"] {
            push(&log, &[name]);
        }
        let entries = log.latest(10);
        assert_eq!(
            entries.iter().map(|entry| (entry.id, &*entry.arguments[0])).collect::<Vec<_>>(),
            [(2, b"c".as_slice()), (1, b"b")]
        );
        assert_eq!((log.latest(1).len(), log.latest(0).len(), log.len()), (1, 0, 2));
        assert_eq!(
            (entries[0].duration_us, &*entries[0].client_address, &*entries[0].client_name),
            (15, "127.0.0.1:37412", b"foo".as_slice())
        );
    }

    #[test]
    fn ids_go_on_after_a_reset_but_not_while_nothing_is_kept() {
        let log = Slowlog::new(4);
        push(&log, &[b"a"]);
        log.reset();
        assert!(log.is_empty());
        log.set_max_len(0);
        push(&log, &[b"b"]);
        assert!(log.is_empty());
        log.set_max_len(3);
        (0..3).for_each(|_| push(&log, &[b"c"]));
        log.set_max_len(0);
        assert_eq!(log.len(), 3);
        log.set_max_len(1);
        assert_eq!(log.latest(9).iter().map(|entry| entry.id).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn many_arguments_end_in_a_note() {
        for (count, kept, last) in
            [(32, 32, "x"), (33, 32, "... (2 more arguments)"), (42, 32, "... (11 more arguments)")]
        {
            let arguments = shorten(vec![b"x".as_slice(); count].into_iter());
            assert_eq!((arguments.len(), &**arguments.last().unwrap()), (kept, last.as_bytes()));
        }
    }

    #[test]
    fn long_arguments_end_in_a_note() {
        assert_eq!(&*shorten_one(&[b'v'; 128]), &[b'v'; 128]);
        assert_eq!(&*shorten_one(&[b'v'; 129]), [&[b'v'; 128][..], b"... (1 more bytes)"].concat());
        assert_eq!(&*shorten_one(&[b'v'; 200]), [&[b'v'; 128][..], b"... (72 more bytes)"].concat());
    }
}
