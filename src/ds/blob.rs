//! One heap allocation per entry: header, deadline, key, and the value or its owner.
//!
//! ```text
//!  inline   ┌─────┬───────┬────┬────┬──────────┬─────┬───────┐
//!           │flags│ clock │klen│vlen│ deadline │ key │ value │     16 + 16 B: 38, allocated as 40
//!           └─────┴───────┴────┴────┴──────────┴─────┴───────┘
//!            0     1       4    5    6          6/14
//!  wide     ┌─────┬───────┬─────────┬─────────┬──────────┬─────┬───────┐
//!           │flags│ clock │  klen   │  vlen   │ deadline │ key │ value │  a length above 255
//!           └─────┴───────┴─────────┴─────────┴──────────┴─────┴───────┘
//!            0     1       4         8         12         12/20
//!  boxed    ┌─────┬───────┬─────────┬─────────────────┬──────────┬─────┐
//!           │flags│ clock │  klen   │        V        │ deadline │ key │  V at offset 8, aligned
//!           └─────┴───────┴─────────┴─────────────────┴──────────┴─────┘
//! ```
//!
//! The first four bytes are one number: 3 bits tell the form, 2 are the owner's, and 27 are the access clock.
//!
//! The deadline exists only in a blob that has one. Lengths, deadline and bytes are read unaligned, so nothing
//! is padded but the end, up to the allocator's next size class (`alloc::size_class`). A changed value or deadline stays in
//! place when the class stays the same; otherwise the blob moves and the pointer in its owner changes.
//!
//! Invariants:
//! - the allocation is `size_class(length by header)` bytes at alignment 8, so nothing stores a capacity;
//! - a boxed blob owns one valid `V` at offset 8;
//! - the key never changes in place.

#![allow(unsafe_code)] // A header whose length varies and a value of two kinds: no safe type is this small.

use crate::alloc::size_class;
use crate::ds::table::Slot;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// What an owned value may want of the table in which its blob lies.
pub trait Due {
    /// A time (Unix milliseconds) at which something inside the value is due, as the blob itself is at its deadline;
    /// it may be too early, never too late. `None` for never.
    fn due(&self) -> Option<u64> {
        None
    }
}

impl Due for u64 {}
impl Due for std::sync::Arc<Vec<u8>> {}

/// Values up to this many bytes are kept inline; longer ones should be boxed.
pub const INLINE_MAX: usize = 1024;

const BOXED: u8 = 1;
const DEADLINE: u8 = 2;
const WIDE: u8 = 4;
/// The owner's two bits.
const META: u8 = 3 << META_SHIFT;
const META_SHIFT: u32 = 3;
/// What of the first four bytes is not the clock.
const FLAGS: u8 = BOXED | DEADLINE | WIDE | META;
const CLOCK_SHIFT: u32 = 5;
/// Where the lengths start, and where a boxed value lies.
const LENGTHS: usize = 4;
const BOXED_AT: usize = 8;

/// Owner of one entry: an inline byte value, or a `V`. Eight bytes.
#[repr(transparent)]
pub struct Blob<V> {
    start: NonNull<u8>,
    owns: PhantomData<V>,
}

/// What a blob holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload<'a, V> {
    /// The value's bytes.
    Inline(&'a [u8]),
    /// The value.
    Value(&'a V),
}

// SAFETY: a blob owns its bytes and its `V` like a `Box<(.., V)>`; there is no interior mutability but V's own.
unsafe impl<V: Send> Send for Blob<V> {}
// SAFETY: as above.
unsafe impl<V: Sync> Sync for Blob<V> {}

// SAFETY: transparent over a non-null pointer to the header, from which key and deadline are read.
unsafe impl<V: Due + Clone> Slot for Blob<V> {
    #[inline]
    fn key(&self) -> &[u8] {
        Blob::key(self)
    }

    /// The earlier of the blob's own deadline and its value's.
    #[inline]
    fn deadline(&self) -> Option<u64> {
        let own = Blob::deadline(self);
        if !self.is_boxed() {
            return own;
        }
        let Payload::Value(value) = self.payload() else { return own };
        match (own, value.due()) {
            (Some(own), Some(inner)) => Some(own.min(inner)),
            (own, inner) => own.or(inner),
        }
    }
}

/// Where everything lies in a blob: a function of its flags and lengths.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Frame {
    flags: u8,
    key_len: usize,
    /// Zero in a boxed blob.
    value_len: usize,
    /// Offsets.
    deadline: usize,
    key: usize,
}

impl Frame {
    #[inline]
    fn new<V>(flags: u8, key_len: usize, value_len: usize) -> Self {
        let deadline = if flags & BOXED != 0 {
            BOXED_AT + size_of::<V>()
        } else if flags & WIDE != 0 {
            LENGTHS + 8
        } else {
            LENGTHS + 2
        };
        let key = deadline + if flags & DEADLINE != 0 { 8 } else { 0 };
        Self { flags, key_len, value_len, deadline, key }
    }

    /// The frame for a content. `meta` is the owner's bits, in their place.
    fn plan<V>(is_boxed: bool, meta: u8, has_deadline: bool, key_len: usize, value_len: usize) -> Self {
        let mut flags = meta;
        if is_boxed {
            flags |= BOXED | WIDE;
        } else if key_len > 255 || value_len > 255 {
            flags |= WIDE;
        }
        if has_deadline {
            flags |= DEADLINE;
        }
        Self::new::<V>(flags, key_len, value_len)
    }

    #[inline]
    fn value(&self) -> usize {
        self.key + self.key_len
    }

    #[inline]
    fn len(&self) -> usize {
        self.value() + self.value_len
    }

    fn class(&self) -> usize {
        size_class(self.len())
    }

    /// # Panics
    /// If a length doesn't fit in 32 bits.
    fn layout(&self) -> Layout {
        assert!(
            u32::try_from(self.key_len).is_ok() && u32::try_from(self.value_len).is_ok(),
            "keys and inline values are shorter than 4 GB"
        );
        // Two lengths below 2³² and a header can't overflow.
        Layout::from_size_align(self.class(), 8).unwrap_or(Layout::new::<u64>())
    }
}

impl<V> Blob<V> {
    const FITS: () =
        assert!(align_of::<V>() <= 8 && size_of::<V>().is_multiple_of(8) && size_of::<V>() <= 64);

    /// A blob with an inline value. `deadline` in Unix milliseconds; `meta` is two bits of the owner's.
    ///
    /// # Panics
    /// If `key` or `value` has 4 GB or more (a key of Redis ends at 512 MB).
    pub fn inline(key: &[u8], value: &[u8], deadline: Option<u64>, meta: u8) -> Self {
        let frame =
            Frame::plan::<V>(false, meta << META_SHIFT & META, deadline.is_some(), key.len(), value.len());
        let mut blob = Self::allocate(frame, key, deadline);
        blob.write(frame.value(), value);
        blob
    }

    /// A blob that owns `value`. For the rest see [`inline`](Self::inline).
    pub fn boxed(key: &[u8], value: V, deadline: Option<u64>, meta: u8) -> Self {
        let frame = Frame::plan::<V>(true, meta << META_SHIFT & META, deadline.is_some(), key.len(), 0);
        let blob = Self::allocate(frame, key, deadline);
        // SAFETY: the frame is boxed, so there is room for a `V` at this offset, aligned to 8.
        unsafe { blob.at(BOXED_AT).cast::<V>().write(value) };
        blob
    }

    /// Whether a key and a value of these lengths should be kept inline.
    pub const fn can_inline(key_len: usize, value_len: usize) -> bool {
        value_len <= INLINE_MAX && key_len <= u32::MAX as usize
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let frame = self.frame();
        self.bytes(frame.key, frame.key_len)
    }

    /// When the entry is due, in Unix milliseconds.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        let frame = self.frame();
        (frame.flags & DEADLINE != 0).then(|| u64::from_le_bytes(self.array(frame.deadline)))
    }

    /// Hints that the blob will be read soon.
    #[inline]
    pub fn prefetch(&self) {
        crate::ds::prefetch::read(self.start.as_ptr());
    }

    /// The owner's two bits.
    #[inline]
    pub fn meta(&self) -> u8 {
        (self.flags() & META) >> META_SHIFT
    }

    /// Sets the owner's two bits; the others of `meta` are ignored.
    #[inline]
    pub fn set_meta(&mut self, meta: u8) {
        let flags = self.flags() & !META | meta << META_SHIFT & META;
        self.set_flags(flags);
    }

    /// The 27-bit access clock (LRU time or LFU counter: the owner's business). 0 in a new blob.
    #[inline]
    pub fn clock(&self) -> u32 {
        u32::from_le_bytes(self.array(0)) >> CLOCK_SHIFT
    }

    /// Sets the access clock to the low 27 bits of `clock`.
    #[inline]
    pub fn set_clock(&mut self, clock: u32) {
        let header = u32::from(self.flags()) | clock << CLOCK_SHIFT;
        self.write(0, &header.to_le_bytes());
    }

    /// The value.
    #[inline]
    pub fn payload(&self) -> Payload<'_, V> {
        let frame = self.frame();
        if frame.flags & BOXED != 0 {
            // SAFETY: a boxed blob owns a valid `V` there.
            return Payload::Value(unsafe { &*self.at(BOXED_AT).cast() });
        }
        Payload::Inline(self.bytes(frame.value(), frame.value_len))
    }

    /// The owned value, if the blob is boxed.
    #[inline]
    pub fn value_mut(&mut self) -> Option<&mut V> {
        // SAFETY: a boxed blob owns a valid `V` there, and the blob is borrowed exclusively.
        self.is_boxed().then(|| unsafe { &mut *self.at(BOXED_AT).cast() })
    }

    /// The inline bytes, if the blob is inline.
    pub fn inline_mut(&mut self) -> Option<&mut [u8]> {
        let frame = self.frame();
        // SAFETY: the value of an inline blob is initialised, and the blob is borrowed exclusively.
        (!self.is_boxed())
            .then(|| unsafe { std::slice::from_raw_parts_mut(self.at(frame.value()), frame.value_len) })
    }

    /// Makes `value` the inline value; a `V` is dropped. In place if the size class stays the same.
    ///
    /// # Panics
    /// If `value` has 4 GB or more.
    pub fn set_inline(&mut self, value: &[u8]) {
        let old = self.frame();
        if old.value_len == value.len() && !self.is_boxed() {
            return self.write(old.value(), value);
        }
        let new =
            Frame::plan::<V>(false, old.flags & META, old.flags & DEADLINE != 0, old.key_len, value.len());
        if new.flags == old.flags && new.class() == old.class() {
            self.write_lengths(new);
        } else {
            let mut moved = Self::allocate(new, self.key(), self.deadline());
            moved.set_clock(self.clock());
            *self = moved;
        }
        self.write(new.value(), value);
    }

    /// Makes the blob own `value`; the old value is dropped.
    pub fn set_value(&mut self, value: V) {
        if let Some(place) = self.value_mut() {
            *place = value;
            return;
        }
        let mut moved = Self::boxed(self.key(), value, self.deadline(), self.meta());
        moved.set_clock(self.clock());
        *self = moved;
    }

    /// Sets or removes the deadline (Unix milliseconds). In place if the size class stays the same.
    pub fn set_deadline(&mut self, deadline: Option<u64>) {
        let old = self.frame();
        let flags = if deadline.is_some() { old.flags | DEADLINE } else { old.flags & !DEADLINE };
        let new = Frame::new::<V>(flags, old.key_len, old.value_len);
        if new.class() == old.class() {
            let len = old.key_len + old.value_len;
            // SAFETY: both ranges lie inside the allocation, whose class covers both frames; `copy` allows overlap.
            unsafe { std::ptr::copy(self.at(old.key), self.at(new.key), len) };
            self.set_flags(flags);
        } else {
            self.move_to(new);
        }
        if let Some(when_ms) = deadline {
            self.write(new.deadline, &when_ms.to_le_bytes());
        }
    }

    /// Takes the owned value out; `None` from an inline blob.
    pub fn into_value(self) -> Option<V> {
        let blob = std::mem::ManuallyDrop::new(self);
        // SAFETY: a boxed blob owns a valid `V` there; the blob is not dropped, so it is read once.
        let value = blob.is_boxed().then(|| unsafe { blob.at(BOXED_AT).cast::<V>().read() });
        blob.free();
        value
    }

    /// The same entry under another key: value (not copied if owned), deadline, meta and clock stay.
    pub fn with_key(self, key: &[u8]) -> Self {
        let old = self.frame();
        let new = Frame::plan::<V>(
            self.is_boxed(),
            old.flags & META,
            old.flags & DEADLINE != 0,
            key.len(),
            old.value_len,
        );
        let mut moved = Self::allocate(new, key, self.deadline());
        moved.set_clock(self.clock());
        if self.is_boxed() {
            let blob = std::mem::ManuallyDrop::new(self);
            // SAFETY: both blobs are boxed; the old one is freed without dropping its `V`.
            unsafe { moved.at(BOXED_AT).cast::<V>().write(blob.at(BOXED_AT).cast::<V>().read()) };
            blob.free();
        } else {
            moved.write(new.value(), self.bytes(old.value(), old.value_len));
        }
        moved
    }

    /// Bytes of the allocation; what a `V` owns elsewhere is not included.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.frame().class()
    }

    /// Whether the blob owns a `V`.
    #[inline]
    pub fn is_boxed(&self) -> bool {
        self.flags() & BOXED != 0
    }

    /// Moves everything to a new allocation whose frame differs in the deadline only.
    fn move_to(&mut self, new: Frame) {
        let old = self.frame();
        let mut moved = Self::allocate(new, self.key(), None);
        moved.set_clock(self.clock());
        // SAFETY: source and target have room for everything before the deadline, and for the value; the old
        // allocation is then freed without dropping the `V` that was moved.
        unsafe {
            std::ptr::copy_nonoverlapping(self.at(LENGTHS), moved.at(LENGTHS), old.deadline - LENGTHS);
            std::ptr::copy_nonoverlapping(self.at(old.value()), moved.at(new.value()), old.value_len);
        }
        self.free();
        self.start = moved.start;
        std::mem::forget(moved);
    }

    /// An allocation with header, deadline and key written. A boxed frame's `V` is the caller's to write.
    fn allocate(frame: Frame, key: &[u8], deadline: Option<u64>) -> Self {
        const { Self::FITS };
        let layout = frame.layout();
        // SAFETY: the size is 8 at least.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // The value, and what the class has to spare, stay uninitialised; the callers write the value.
        let mut blob = Self { start, owns: PhantomData };
        blob.write(0, &u32::from(frame.flags).to_le_bytes());
        blob.write_lengths(frame);
        blob.write(frame.key, key);
        if let Some(when_ms) = deadline {
            blob.write(frame.deadline, &when_ms.to_le_bytes());
        }
        blob
    }

    fn write_lengths(&mut self, frame: Frame) {
        // The lengths fit: `plan` chose the width, `layout` checked 32 bits.
        let (key_len, value_len) = (frame.key_len as u32, frame.value_len as u32);
        if frame.flags & WIDE == 0 {
            self.write(LENGTHS, &[key_len as u8, value_len as u8]);
            return;
        }
        self.write(LENGTHS, &key_len.to_le_bytes());
        if frame.flags & BOXED == 0 {
            self.write(LENGTHS + 4, &value_len.to_le_bytes());
        }
    }

    #[inline]
    fn frame(&self) -> Frame {
        let flags = self.flags();
        let (key_len, value_len) = if flags & WIDE == 0 {
            let [key_len, value_len] = self.array(LENGTHS);
            (usize::from(key_len), usize::from(value_len))
        } else {
            let value_len = if flags & BOXED == 0 { u32::from_le_bytes(self.array(LENGTHS + 4)) } else { 0 };
            (u32::from_le_bytes(self.array(LENGTHS)) as usize, value_len as usize)
        };
        Frame::new::<V>(flags, key_len, value_len)
    }

    #[inline]
    fn flags(&self) -> u8 {
        let [first] = self.array(0);
        first & FLAGS
    }

    #[inline]
    fn set_flags(&mut self, flags: u8) {
        let [first] = self.array(0);
        self.write(0, &[first & !FLAGS | flags]);
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: every caller's offset is inside the allocation, or one past its end.
        unsafe { self.start.as_ptr().add(offset) }
    }

    #[inline]
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        // SAFETY: callers read header fields, which `allocate` initialised.
        unsafe { self.at(offset).cast::<[u8; N]>().read() }
    }

    #[inline]
    fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        // SAFETY: callers ask for the key or the value of the frame, which are initialised.
        unsafe { std::slice::from_raw_parts(self.at(offset), len) }
    }

    #[inline]
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        // SAFETY: callers name a field of the frame, which lies inside the allocation; `bytes` can't overlap
        // it, because this blob is borrowed exclusively.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset), bytes.len()) };
    }

    /// Frees the allocation without dropping a `V`. The blob must not be used again.
    fn free(&self) {
        // SAFETY: allocated with this layout, which is a function of the header.
        unsafe { dealloc(self.start.as_ptr(), self.frame().layout()) };
    }
}

impl<V: Clone> Clone for Blob<V> {
    /// A blob of its own with the same content, access clock included.
    fn clone(&self) -> Self {
        let mut copy = match self.payload() {
            Payload::Inline(bytes) => Self::inline(self.key(), bytes, self.deadline(), self.meta()),
            Payload::Value(value) => Self::boxed(self.key(), value.clone(), self.deadline(), self.meta()),
        };
        copy.set_clock(self.clock());
        copy
    }
}

impl<V> Drop for Blob<V> {
    fn drop(&mut self) {
        if self.is_boxed() {
            // SAFETY: a boxed blob owns a valid `V`, which is dropped here and only here.
            unsafe { self.at(BOXED_AT).cast::<V>().drop_in_place() };
        }
        self.free();
    }
}

impl<V: std::fmt::Debug> std::fmt::Debug for Blob<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Blob");
        out.field("key", &self.key().escape_ascii().to_string());
        out.field("deadline", &self.deadline()).field("payload", &self.payload()).finish()
    }
}

#[cfg(test)]
#[path = "blob_tests.rs"]
mod tests;
