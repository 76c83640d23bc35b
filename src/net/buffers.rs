//! Reply buffers of one worker, for whoever answers next.
//!
//! ```text
//! pool ──take──▶ lent to a connection that runs requests, until its replies are sent ──give──▶ pool
//!                                   └─ the client reads slowly: the buffer becomes the connection's own (part_with)
//! ```
//!
//! Many are lent at a time, because replies wait for the other connections that are ready. What is pooled or lent belongs to no
//! client and is no data, so `maxmemory` does not count it, but for one of each worker; what became a connection's own counts as its.
//!
//! **Invariant:** a lent buffer counts as [`BUFFER_BYTES`], a pooled one as its capacity.

use std::cell::{Cell, RefCell};

/// What a buffer begins with.
pub const BUFFER_BYTES: usize = 16 * 1024;
/// Buffers kept: as many as often wait together.
const POOLED_MAX: usize = 64;
/// What those that are kept may have grown by, all together.
const GROWN_MAX_BYTES: usize = 2 << 20;

/// See the module's head.
#[derive(Default)]
pub struct Buffers {
    pool: RefCell<Vec<Vec<u8>>>,
    /// Pooled and lent.
    count: Cell<usize>,
    /// What those in the pool have grown by.
    grown_bytes: Cell<usize>,
    /// What was told of both last.
    told_bytes: Cell<usize>,
}

impl Buffers {
    /// Lends a buffer, whose contents are of no interest.
    pub fn take(&self) -> Vec<u8> {
        let Some(buffer) = self.pool.borrow_mut().pop() else {
            self.count.set(self.count.get() + 1);
            return Vec::with_capacity(BUFFER_BYTES);
        };
        self.grown_bytes.set(self.grown_bytes.get() - grown(&buffer));
        buffer
    }

    /// Takes a lent buffer back, and keeps it if there is room.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut pool = self.pool.borrow_mut();
        let grown_bytes = self.grown_bytes.get() + grown(&buffer);
        if pool.len() < POOLED_MAX && grown_bytes <= GROWN_MAX_BYTES && buffer.capacity() >= BUFFER_BYTES {
            self.grown_bytes.set(grown_bytes);
            pool.push(buffer);
        } else {
            self.part_with();
        }
    }

    /// A lent buffer is its borrower's own from now on.
    pub fn part_with(&self) {
        self.count.set(self.count.get() - 1);
    }

    /// Bytes pooled and lent, if they are others than when this was asked last.
    #[inline]
    pub fn news(&self) -> Option<usize> {
        let bytes = self.bytes();
        (self.told_bytes.replace(bytes) != bytes).then_some(bytes)
    }

    /// Bytes pooled and lent.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.count.get() * BUFFER_BYTES + self.grown_bytes.get()
    }
}

#[inline]
fn grown(buffer: &Vec<u8>) -> usize {
    buffer.capacity().saturating_sub(BUFFER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_lent_again_and_counted() {
        let buffers = Buffers::default();
        let mut first = buffers.take();
        assert_eq!((first.capacity(), buffers.bytes()), (BUFFER_BYTES, BUFFER_BYTES));
        first.reserve_exact(3 * BUFFER_BYTES);
        let (place, capacity) = (first.as_ptr(), first.capacity());
        buffers.give(first);
        assert_eq!(buffers.bytes(), capacity);
        let second = buffers.take();
        assert_eq!((second.as_ptr(), buffers.bytes()), (place, BUFFER_BYTES));
        buffers.part_with();
        assert_eq!(buffers.bytes(), 0);
    }

    #[test]
    fn neither_too_many_nor_too_much_is_kept() {
        let buffers = Buffers::default();
        let mut lent: Vec<Vec<u8>> = (0..2 * POOLED_MAX).map(|_| buffers.take()).collect();
        lent.drain(..POOLED_MAX + 1).for_each(|buffer| buffers.give(buffer));
        assert_eq!(buffers.bytes(), (POOLED_MAX + lent.len()) * BUFFER_BYTES);
        (0..POOLED_MAX).for_each(|_| lent.push(buffers.take()));
        for mut buffer in lent {
            buffer.reserve_exact(GROWN_MAX_BYTES / 2);
            buffers.give(buffer);
        }
        assert!(buffers.bytes() <= 2 * BUFFER_BYTES + GROWN_MAX_BYTES, "{}", buffers.bytes());
        assert!(buffers.bytes() > GROWN_MAX_BYTES / 2);
        // One that was emptied of its memory is of no use to anybody.
        let empty = Buffers::default();
        drop(empty.take());
        empty.give(Vec::new());
        assert_eq!(empty.bytes(), 0);
    }
}
