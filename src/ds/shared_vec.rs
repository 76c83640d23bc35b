//! A growable array behind one pointer, shared until somebody writes.
//!
//! ```text
//!  SharedVec ──▶ ┌──────┬─────┬────┬────┬────┬ … ┐
//!  SharedVec ──▶ │ refs │ len │ T  │ T  │ T  │   │      header 8 bytes, items from offset 8
//!                └──────┴─────┴────┴────┴────┴ … ┘
//! ```
//!
//! It is the storage of packed values (listpack, intset) and of the nodes of [`crate::ds::tree`]: a clone costs
//! one increment, and a write to a shared array copies it first. That is how a snapshot holds a frozen copy of a big
//! collection while writers go on: they copy the nodes they touch, and nothing else.
//!
//! No capacity is stored: the allocation always is the allocator's size class of what is needed, so an array grows
//! in place until it leaves its class, and no byte is lost. The classes are a quarter of a power of two apart, so
//! appending stays cheap (amortised) without doubling.
//!
//! Invariants:
//! - `start` points to [`EMPTY`] (no items, never counted, never freed) or to an own allocation of
//!   `size_class(8 + len · size_of::<T>())` bytes with `len ≥ 1` valid items;
//! - items change only while `refs` is 1.

#![allow(unsafe_code)] // A header and items in one allocation: no safe type has a single pointer for both.

use crate::alloc::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, forget, needs_drop};
use std::ops::{Deref, Range};
use std::ptr::{NonNull, copy, copy_nonoverlapping};
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// The head of an allocation.
#[repr(C, align(8))]
struct Header {
    refs: AtomicU32,
    len: u32,
}

/// What every empty array points to.
static EMPTY: Header = Header { refs: AtomicU32::new(0), len: 0 };

const ITEMS_AT: usize = size_of::<Header>();

/// Up to this size another class always is another place: then taking that and giving the old one back is a much shorter way
/// than the allocator's own. Pushing to short lists costs an eighth less.
const MOVED_BY_HAND_MAX: usize = 8192;

/// See the module's head.
pub struct SharedVec<T> {
    start: NonNull<Header>,
    owns: PhantomData<T>,
}

// SAFETY: like `Arc<Vec<T>>`: items are reached through shared references by every owner, and the last one drops them.
unsafe impl<T: Send + Sync> Send for SharedVec<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for SharedVec<T> {}

impl<T> SharedVec<T> {
    const FITS: () = assert!(align_of::<T>() <= 8 && size_of::<T>() > 0);

    /// An empty array; allocates nothing.
    #[inline]
    pub const fn new() -> Self {
        const { Self::FITS };
        // SAFETY: the address of a static is not null; it is only ever read.
        let start = unsafe { NonNull::new_unchecked((&raw const EMPTY).cast_mut()) };
        Self { start, owns: PhantomData }
    }

    /// Number of items.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: `start` always points to a valid header.
        unsafe { (*self.start.as_ptr()).len as usize }
    }

    /// Whether there is no item.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: `len` valid items follow the header; nobody changes them while any owner is borrowed.
        unsafe { std::slice::from_raw_parts(self.items(), self.len()) }
    }

    /// Whether nobody else holds these items, so that a write will not copy them.
    #[inline]
    pub fn is_unique(&self) -> bool {
        // SAFETY: a valid header. Acquire: what former owners did to the items happened before.
        self.is_static() || unsafe { (*self.start.as_ptr()).refs.load(Ordering::Acquire) } == 1
    }

    /// Whether both are the same array in memory.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        self.start == other.start
    }

    /// Bytes of the allocation; what items own elsewhere is not included.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        if self.is_static() { 0 } else { Self::class(self.len()) }
    }

    /// Takes the items of `items`, moving them.
    pub fn from_vec(items: Vec<T>) -> Self {
        let mut array = Self::allocate(items.len());
        let len = items.len();
        let mut items = ManuallyDrop::new(items);
        // SAFETY: the new allocation has room for `len` items; the vector is left without them and freed.
        unsafe {
            copy_nonoverlapping(items.as_ptr(), array.items(), len);
            items.set_len(0);
            ManuallyDrop::drop(&mut items);
            array.set_len(len);
        }
        array
    }

    #[inline]
    fn is_static(&self) -> bool {
        std::ptr::eq(self.start.as_ptr(), &raw const EMPTY)
    }

    #[inline]
    fn items(&self) -> *mut T {
        // SAFETY: the header is 8 bytes long; behind the static one lies the end of an object, which may be named.
        unsafe { self.start.as_ptr().cast::<u8>().add(ITEMS_AT).cast() }
    }

    #[inline]
    fn class(len: usize) -> usize {
        size_class(len.saturating_mul(size_of::<T>()).saturating_add(ITEMS_AT))
    }

    /// # Panics
    /// If `len` does not fit in 32 bits: far above every limit of the types built on this.
    fn layout(len: usize) -> Layout {
        assert!(u32::try_from(len).is_ok(), "an array has fewer than 2^32 items");
        match Layout::from_size_align(Self::class(len), 8) {
            Ok(layout) => layout,
            Err(_) => panic!("an array of {len} items exceeds the address space"),
        }
    }

    /// An allocation for `len` items with none in it. Its owner must fill it and call `set_len(len)`; until then it
    /// must not be dropped (it would leak nothing but be freed with a wrong size), so nothing in between may panic.
    fn allocate(len: usize) -> Self {
        if len == 0 {
            return Self::new();
        }
        let layout = Self::layout(len);
        // SAFETY: the size is 8 at least.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let start = start.cast::<Header>();
        // SAFETY: fresh memory, aligned to 8.
        unsafe { start.as_ptr().write(Header { refs: AtomicU32::new(1), len: 0 }) };
        Self { start, owns: PhantomData }
    }

    /// # Safety
    /// This owner is alone, `len` items are valid, and the allocation is of their class. Not for the static one,
    /// unless `len` is 0.
    #[inline]
    unsafe fn set_len(&mut self, len: usize) {
        if !self.is_static() {
            // SAFETY: the caller's promise; `len` fits, as `layout` checked.
            unsafe { (*self.start.as_ptr()).len = len as u32 };
        }
    }

    /// Brings the allocation from the class of `old` items to that of `new` ones. Items up to the lesser stay.
    ///
    /// # Safety
    /// This owner is alone, the allocation is of the class of `old` items, those from `new` on are moved out. Until
    /// `set_len(new)` the caller must not panic.
    #[inline]
    unsafe fn fit(&mut self, old: usize, new: usize) {
        if old == 0 {
            *self = Self::allocate(new);
        } else if new == 0 {
            // SAFETY: allocated with this layout; no item is left in it.
            unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(old)) };
            forget(std::mem::take(self));
        } else if Self::class(old) != Self::class(new) {
            // SAFETY: the caller's promise.
            unsafe { self.refit(old, new) };
        }
    }

    /// # Safety
    /// As for `fit`, and neither length is 0.
    #[cold]
    unsafe fn refit(&mut self, old: usize, new: usize) {
        let (from, to) = (Self::layout(old), Self::layout(new));
        let start = self.start.as_ptr().cast::<u8>();
        // SAFETY: allocated with the old layout; the new size is not 0. What is moved by hand are as many bytes as both
        // allocations have, between different ones, and the old one is not used any more.
        let moved = unsafe {
            if from.size().max(to.size()) > MOVED_BY_HAND_MAX {
                realloc(start, from, to.size())
            } else {
                let moved = alloc(to);
                if !moved.is_null() {
                    copy_nonoverlapping(start, moved, from.size().min(to.size()));
                    dealloc(start, from);
                }
                moved
            }
        };
        let Some(moved) = NonNull::new(moved) else { handle_alloc_error(to) };
        self.start = moved.cast();
    }
}

impl<T: Clone> SharedVec<T> {
    /// A copy of `items`.
    pub fn from_slice(items: &[T]) -> Self {
        Self::from_vec(items.to_vec())
    }

    /// The items for change; copies them first when they are shared.
    #[inline]
    pub fn make_mut(&mut self) -> &mut [T] {
        self.make_unique();
        // SAFETY: this owner is alone now and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.items(), self.len()) }
    }

    #[inline(always)] // Nearly always it is two comparisons.
    fn make_unique(&mut self) {
        if !self.is_unique() {
            self.unshare();
        }
    }

    #[cold]
    fn unshare(&mut self) {
        *self = Self::from_vec(self.as_slice().to_vec());
    }

    /// Puts `item` at the end.
    #[inline]
    pub fn push(&mut self, item: T) {
        self.insert(self.len(), item);
    }

    /// Puts `item` before the one at `index`.
    ///
    /// # Panics
    /// If `index` is greater than the length.
    pub fn insert(&mut self, index: usize, item: T) {
        let len = self.len();
        assert!(index <= len, "index {index} of {len}");
        self.make_unique();
        // SAFETY: alone; the allocation is made to hold one more; the items behind `index` move up by one.
        unsafe {
            self.fit(len, len + 1);
            let place = self.items().add(index);
            copy(place, place.add(1), len - index);
            place.write(item);
            self.set_len(len + 1);
        }
    }

    /// Takes the item at `index` out.
    ///
    /// # Panics
    /// If there is none.
    pub fn remove(&mut self, index: usize) -> T {
        let len = self.len();
        assert!(index < len, "index {index} of {len}");
        self.make_unique();
        // SAFETY: alone; the item is read once, those behind move down, and the allocation shrinks with the length.
        unsafe {
            let place = self.items().add(index);
            let item = place.read();
            copy(place.add(1), place, len - index - 1);
            self.fit(len, len - 1);
            self.set_len(len - 1);
            item
        }
    }

    /// Takes the last item out.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        Some(self.remove(last))
    }

    /// Removes the items of a range.
    ///
    /// # Panics
    /// If the range is not one of this array.
    pub fn remove_range(&mut self, range: Range<usize>) {
        let len = self.len();
        assert!(range.start <= range.end && range.end <= len, "range {range:?} of {len}");
        if range.is_empty() {
            return;
        }
        self.make_unique();
        // Items may run code when they drop, which must not see them here any more.
        let mut removed = Vec::with_capacity(range.len());
        // SAFETY: alone; the range moves into the vector, what lies behind moves down, and the array shrinks.
        unsafe {
            let place = self.items().add(range.start);
            copy_nonoverlapping(place, removed.as_mut_ptr(), range.len());
            removed.set_len(range.len());
            copy(place.add(range.len()), place, len - range.end);
            self.fit(len, len - range.len());
            self.set_len(len - range.len());
        }
    }

    /// Removes the items from `len` on.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.remove_range(len..self.len());
        }
    }

    /// Keeps the items before `at` and returns the others.
    ///
    /// # Panics
    /// If `at` is greater than the length.
    pub fn split_off(&mut self, at: usize) -> Self {
        let len = self.len();
        assert!(at <= len, "index {at} of {len}");
        self.make_unique();
        let mut tail = Self::allocate(len - at);
        // SAFETY: alone; the items from `at` on move to the new array, which has room for exactly these.
        unsafe {
            copy_nonoverlapping(self.items().add(at), tail.items(), len - at);
            tail.set_len(len - at);
            self.fit(len, at);
            self.set_len(at);
        }
        tail
    }

    /// Puts all of `items` at the end, moving them.
    pub fn append(&mut self, items: Vec<T>) {
        let (len, added) = (self.len(), items.len());
        self.make_unique();
        let mut items = ManuallyDrop::new(items);
        // SAFETY: alone; the allocation is made to hold all; the vector is left without its items and freed.
        unsafe {
            self.fit(len, len + added);
            copy_nonoverlapping(items.as_ptr(), self.items().add(len), added);
            self.set_len(len + added);
            items.set_len(0);
            ManuallyDrop::drop(&mut items);
        }
    }

    /// Puts the items of another array at the end, moving those that nobody else holds.
    pub fn join(&mut self, mut tail: Self) {
        if self.is_empty() {
            *self = tail;
            return;
        }
        self.make_unique();
        tail.make_unique();
        let (len, added) = (self.len(), tail.len());
        // SAFETY: both alone; the allocation is made to hold all; the other array is left without its items and its
        // memory freed as that of `added` items.
        unsafe {
            self.fit(len, len + added);
            copy_nonoverlapping(tail.items(), self.items().add(len), added);
            self.set_len(len + added);
            tail.fit(added, 0);
        }
    }
}

impl<T: Copy + Default> SharedVec<T> {
    /// Replaces `removed` items at `at` by `added` default ones, and returns these to be filled.
    ///
    /// # Panics
    /// If fewer than `removed` items are there.
    #[inline]
    pub fn splice(&mut self, at: usize, removed: usize, added: usize) -> &mut [T] {
        let len = self.len();
        assert!(at <= len && removed <= len - at, "{removed} items at {at} of {len}");
        self.make_unique();
        let (tail, new_len) = (len - at - removed, len - removed + added);
        // SAFETY: alone; the tail moves while the allocation has room for it on both sides: before it shrinks, after
        // it grew. Every item of the gap is written before the length covers it.
        unsafe {
            if added < removed {
                copy(self.items().add(at + removed), self.items().add(at + added), tail);
            }
            self.fit(len, new_len);
            if added > removed {
                copy(self.items().add(at + removed), self.items().add(at + added), tail);
            }
            for index in at..at + added {
                self.items().add(index).write(T::default());
            }
            self.set_len(new_len);
            std::slice::from_raw_parts_mut(self.items().add(at), added)
        }
    }

    /// Keeps the first `len` items, and returns them.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn shorten(&mut self, len: usize) -> &mut [T] {
        let old = self.len();
        assert!(len <= old, "{len} items of {old}");
        self.make_unique();
        // SAFETY: alone; items that are copied by their bytes need no drop.
        unsafe {
            self.fit(old, len);
            self.set_len(len);
            std::slice::from_raw_parts_mut(self.items(), len)
        }
    }

    /// Copies `items` to the end.
    pub fn extend_from_slice(&mut self, items: &[T]) {
        self.splice(self.len(), 0, items.len()).copy_from_slice(items);
    }
}

impl<T> Clone for SharedVec<T> {
    /// Another owner of the same items.
    #[inline]
    fn clone(&self) -> Self {
        if !self.is_static() {
            // SAFETY: a valid header. Relaxed: this owner already keeps the items alive.
            let before = unsafe { (*self.start.as_ptr()).refs.fetch_add(1, Ordering::Relaxed) };
            if before > u32::MAX / 2 {
                // Two billion owners: somebody forgets clones in a loop, and a wrapped count would free what is used.
                std::process::abort();
            }
        }
        Self { start: self.start, owns: PhantomData }
    }
}

impl<T> Drop for SharedVec<T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_static() {
            return;
        }
        // SAFETY: a valid header. Release: what this owner did to the items happens before they are dropped.
        if unsafe { (*self.start.as_ptr()).refs.fetch_sub(1, Ordering::Release) } != 1 {
            return;
        }
        fence(Ordering::Acquire);
        if needs_drop::<T>() {
            // A node of something bigger.
            super::breaks::between_pieces();
        }
        let len = self.len();
        // SAFETY: the last owner: the items are dropped once, and the memory has this layout.
        unsafe {
            std::ptr::slice_from_raw_parts_mut(self.items(), len).drop_in_place();
            dealloc(self.start.as_ptr().cast(), Self::layout(len));
        }
    }
}

impl<T> Default for SharedVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for SharedVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T> FromIterator<T> for SharedVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::from_vec(items.into_iter().collect())
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for SharedVec<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::rc::Rc;

    type Counted = SharedVec<Rc<u32>>;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u32),
        Insert(usize, u32),
        Remove(usize),
        RemoveRange(usize, usize),
        SplitOff(usize),
        Append(usize),
        Join(usize, usize),
        Set(usize, u32),
        Share,
        Release,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<u32>().prop_map(Step::Push),
            3 => (any::<usize>(), any::<u32>()).prop_map(|(at, item)| Step::Insert(at, item)),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Step::RemoveRange(from, to)),
            1 => any::<usize>().prop_map(Step::SplitOff),
            1 => (0..40usize).prop_map(Step::Append),
            1 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Step::Join(from, to)),
            2 => (any::<usize>(), any::<u32>()).prop_map(|(at, item)| Step::Set(at, item)),
            1 => Just(Step::Share),
            1 => Just(Step::Release),
        ]
    }

    proptest! {
        /// The array against `Vec`, with items whose reference counts show lost or doubled drops, and with
        /// clones that must never see a later change.
        #[test]
        fn it_behaves_like_a_vector_whose_clones_are_copies(steps in proptest::collection::vec(step(), 1..200)) {
            let (mut array, mut model) = (SharedVec::new(), Vec::new());
            let mut clones: Vec<(Counted, Vec<Rc<u32>>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Push(item) => {
                        let item = Rc::new(item);
                        array.push(Rc::clone(&item));
                        model.push(item);
                    }
                    Step::Insert(at, item) => {
                        let (at, item) = (at % (model.len() + 1), Rc::new(item));
                        array.insert(at, Rc::clone(&item));
                        model.insert(at, item);
                    }
                    Step::Remove(at) if !model.is_empty() => {
                        let at = at % model.len();
                        prop_assert_eq!(array.remove(at), model.remove(at));
                    }
                    Step::RemoveRange(from, to) => {
                        let (from, to) = (from % (model.len() + 1), to % (model.len() + 1));
                        let range = from.min(to)..from.max(to);
                        array.remove_range(range.clone());
                        model.drain(range);
                    }
                    Step::SplitOff(at) => {
                        let at = at % (model.len() + 1);
                        let tail = array.split_off(at);
                        prop_assert_eq!(tail.as_slice(), model.split_off(at));
                    }
                    Step::Append(count) => {
                        let items: Vec<_> = (0..count as u32).map(Rc::new).collect();
                        array.append(items.clone());
                        model.extend(items);
                    }
                    Step::Join(from, to) => {
                        // With a part of itself that is shared, and with one that is not.
                        let mut head = array.clone();
                        let tail = head.split_off(from % (model.len() + 1));
                        let mut kept = tail.clone();
                        array.join(tail);
                        kept.truncate(to % (kept.len() + 1));
                        model.extend_from_within(head.len()..);
                        model.extend_from_slice(&kept);
                        array.join(kept);
                        array.truncate(200);
                        model.truncate(200);
                    }
                    Step::Set(at, item) if !model.is_empty() => {
                        let (at, item) = (at % model.len(), Rc::new(item));
                        array.make_mut()[at] = Rc::clone(&item);
                        model[at] = item;
                    }
                    Step::Share => clones.push((array.clone(), model.clone())),
                    Step::Release => drop(clones.pop()),
                    Step::Remove(_) | Step::Set(..) => {}
                }
                prop_assert_eq!(array.as_slice(), &model[..]);
            }
            for (frozen, then) in &clones {
                prop_assert_eq!(frozen.as_slice(), &then[..]);
            }
            drop((array, clones));
            for item in &model {
                prop_assert_eq!(Rc::strong_count(item), model.iter().filter(|other| Rc::ptr_eq(item, other)).count());
            }
        }

        #[test]
        fn a_splice_of_bytes_behaves_like_that_of_a_vector(
            start in proptest::collection::vec(any::<u8>(), 0..300),
            cuts in proptest::collection::vec((any::<usize>(), any::<usize>(), 0..50usize), 1..20),
        ) {
            let (mut array, mut model) = (SharedVec::from_slice(&start), start);
            for (at, removed, added) in cuts {
                let at = at % (model.len() + 1);
                let removed = removed % (model.len() - at + 1);
                let frozen = (array.clone(), model.clone());
                let new = vec![0xaa; added];
                array.splice(at, removed, added).copy_from_slice(&new);
                model.splice(at..at + removed, new);
                prop_assert_eq!(array.as_slice(), &model[..]);
                prop_assert_eq!(frozen.0.as_slice(), &frozen.1[..]);
            }
        }
    }

    #[test]
    fn an_array_costs_its_items_and_eight_bytes() {
        assert_eq!(size_of::<Option<SharedVec<u8>>>(), 8);
        assert_eq!(SharedVec::<u64>::new().heap_bytes(), 0);
        assert_eq!(SharedVec::from_slice(&[1u64; 3]).heap_bytes(), 32);
        assert_eq!(SharedVec::from_slice(&[1u8; 17]).heap_bytes(), 32);
    }
}
