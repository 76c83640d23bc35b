//! Frozen copies: the contents of a table at one moment, for a reader that takes its time.
//!
//! ```text
//!  freeze()        Frozen ──▶ directory nodes ──▶ segments        shared with the table
//!  first write     the table copies the segment (entries too) and the directory nodes on the path;
//!                  the old segment is *retired*: it belongs to the frozen copies from now on
//!  last copy gone  retired segments are freed, by whoever drops it
//! ```
//!
//! Freezing costs one reference at any size, a first write copies one segment (456 entries at most) and two
//! nodes of the directory. Segments have no reference count: each remembers in which *epoch* its buckets were
//! made, and every freeze begins a new one, so a segment is shared with a frozen copy exactly if it is older than the
//! latest freeze and some copy is still alive. All copies that are alive together keep retired segments alive together.
//!
//! Example. Epoch 3, `freeze()` makes it 4. A write to a segment born in 2 finds 2 < 4: it copies the segment (born in 4)
//! and retires the old one. The next write there finds 4 and changes it in place.
//!
//! Invariant: a segment with `born < epoch` is never changed while a copy is alive: the table reads it, and copies
//! read it, maybe in another thread.

#![allow(unsafe_code)] // Retired segments are raw buckets until the last reader has gone.

use super::directory::Directory;
use super::segment::{Route, SegmentId};
use super::{Iter, Slot, Table, resize};
use std::marker::PhantomData;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What the table knows of its copies.
pub(super) struct Freezes<S: Slot> {
    retired: Weak<Retired<S>>,
    epoch: u32,
}

/// Segments that the table has replaced and frozen copies still read. Freed with the last copy.
struct Retired<S: Slot> {
    segments: Mutex<Vec<Route>>,
    owns: PhantomData<S>,
}

// SAFETY: it owns segments with entries `S`, which nobody changes any more.
unsafe impl<S: Slot + Send + Sync> Send for Retired<S> {}
// SAFETY: as above; the list itself is behind a mutex.
unsafe impl<S: Slot + Send + Sync> Sync for Retired<S> {}

/// The entries that a table had when it was frozen; see the module's head.
pub struct Frozen<S: Slot> {
    directory: Directory,
    len: usize,
    /// Keeps alive what the directory leads to.
    _retired: Arc<Retired<S>>,
}

// SAFETY: gives out `&S` only, of entries that nobody changes while it lives.
unsafe impl<S: Slot + Send + Sync> Send for Frozen<S> {}
// SAFETY: as above.
unsafe impl<S: Slot + Send + Sync> Sync for Frozen<S> {}

impl<S: Slot> Frozen<S> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in hash order of their buckets.
    pub fn iter(&self) -> Iter<'_, S> {
        Iter::from(&self.directory, 0)
    }
}

impl<S: Slot> Drop for Retired<S> {
    fn drop(&mut self) {
        let segments = self.segments.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What tables count is no concern of theirs any more; dismantling subtracts from something.
        let mut bytes = usize::MAX;
        for route in segments.drain(..) {
            resize::dismantle(route, &mut bytes, |_, entry, _| {
                // SAFETY: the entry was stored as an `S`; the table has replaced it, and the last reader is gone.
                drop(unsafe { resize::entry_from::<S>(entry) });
            });
        }
    }
}

impl<S: Slot> Table<S> {
    /// The contents as they are now; later changes of the table don't show in it.
    pub fn freeze(&mut self) -> Frozen<S> {
        let freezes =
            self.freezes.get_or_insert_with(|| Box::new(Freezes { retired: Weak::new(), epoch: 0 }));
        let retired = freezes
            .retired
            .upgrade()
            .unwrap_or_else(|| Arc::new(Retired { segments: Mutex::new(Vec::new()), owns: PhantomData }));
        freezes.retired = Arc::downgrade(&retired);
        // Two billion freezes of one table would take a century of them every second.
        freezes.epoch += 1;
        Frozen { directory: self.directory.clone(), len: self.len, _retired: retired }
    }

    /// The epoch of buckets that are made now.
    #[inline]
    pub(super) fn epoch(&self) -> u32 {
        self.freezes.as_ref().map_or(0, |freezes| freezes.epoch)
    }

    /// Makes the bucket of `hash` ready for change.
    #[inline]
    pub(super) fn thaw(&mut self, hash: u64) {
        if (self.freezes.is_some() || self.watch.is_some())
            && let Some(id) = self.route(hash).map(|route| route.id)
        {
            self.thaw_frozen(id);
            self.show_bucket(id, hash);
        }
    }

    /// Makes the segment of `hash` ready for change.
    pub(super) fn thaw_around(&mut self, hash: u64) {
        if let Some(id) = self.route(hash).map(|route| route.id) {
            self.thaw_segment(id);
        }
    }

    /// Whether a frozen copy may read this segment.
    pub(super) fn is_frozen(&self, id: SegmentId) -> bool {
        let Some(freezes) = &self.freezes else { return false };
        if self.segments[id].born >= freezes.epoch {
            return false;
        }
        let is_read = freezes.retired.strong_count() > 0;
        if !is_read {
            // What the last reader read comes before what its going allows us to write: pairs with the release with
            // which `Arc` counts down.
            fence(Ordering::Acquire);
        }
        is_read
    }

    /// Makes a segment ready for change: replaces it by a copy if a frozen one reads it, and shows it to who watches.
    pub(super) fn thaw_segment(&mut self, id: SegmentId) {
        self.thaw_frozen(id);
        self.show(id, false);
    }

    /// Replaces a segment by a copy if a frozen one reads it.
    pub(super) fn thaw_frozen(&mut self, id: SegmentId) {
        if !self.is_frozen(id) {
            return;
        }
        let Some(retired) = self.freezes.as_ref().and_then(|freezes| freezes.retired.upgrade()) else {
            return;
        };
        let segment = &self.segments[id];
        let (old, len, shown) = (segment.route, segment.len as usize, segment.shown);
        let mut copies = Vec::with_capacity(len);
        for bucket in old.all_buckets() {
            self.prefetch_chain(bucket);
            self.for_each_in_bucket(bucket, |entry| copies.push(self.loose(entry.clone())));
        }
        let shape = old.shape;
        let counted = self.bytes;
        let new = self.build(&copies, id, shape.buckets(), shape.depth(), shape.is_reseeded());
        // The copy has the shape of the old one, whose bytes are not the table's any more.
        self.bytes = counted;
        self.install(new, len, false);
        // Copying shows nobody anything.
        self.segments[id].shown = shown;
        retired.segments.lock().unwrap_or_else(PoisonError::into_inner).push(old);
    }

    /// Gives all segments to the frozen copies, if there are any: the end of a table that is still read.
    pub(super) fn retire_all(&mut self) -> bool {
        let Some(retired) = self.freezes.as_ref().and_then(|freezes| freezes.retired.upgrade()) else {
            return false;
        };
        let routes = self.segments.iter().map(|segment| segment.route);
        retired.segments.lock().unwrap_or_else(PoisonError::into_inner).extend(routes);
        true
    }
}
