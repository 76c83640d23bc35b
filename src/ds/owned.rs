//! A lock that says who owns it.
//!
//! An [`Owner`] takes any number of locks and then reaches what is behind each of them. There are no guards to keep and to
//! look for: whether a lock is held already, and whether access is allowed, is one comparison with what stands in the lock.
//!
//! ```text
//! lock    owner 0 (free) ──take──▶ owner 7 ──give back──▶ owner 0
//! access  &Owner(7)     ──get────▶ &T          &mut Owner(7) ──get_mut──▶ &mut T
//! ```
//!
//! The references borrow the owner, so whoever has one can't get another that contradicts it, nor give the lock back meanwhile.
//!
//! **Invariant:** no two owners that live have the same mark, and an owner stays on its thread.
//! **Invariant:** only the owner whose mark stands in a lock changes that mark.

#![allow(unsafe_code)] // The value is reached by references that the mark in its lock allows.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;

use crate::base::sync::{AtomicU64, Ordering};

/// The mark of a lock that nobody has.
const FREE: u64 = 0;

/// Where marks come from; no two from here are the same.
static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(FREE + 1);

thread_local! {
    /// A mark that nobody alive has, so that who comes and goes on one thread shares nothing with others.
    static SPARE: Cell<u64> = const { Cell::new(FREE) };
}

/// Whoever takes locks.
#[derive(Debug)]
pub struct Owner {
    mark: u64,
    /// Neither sent nor shared: what it gives access to need not be `Sync`, and its mark goes back to its thread.
    _of_its_thread: PhantomData<*const ()>,
}

impl Owner {
    /// An owner of nothing.
    #[inline]
    pub fn new() -> Owner {
        let mark = match SPARE.replace(FREE) {
            FREE => NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            spare => spare,
        };
        Owner { mark, _of_its_thread: PhantomData }
    }
}

impl Default for Owner {
    fn default() -> Self {
        Owner::new()
    }
}

impl Drop for Owner {
    /// What it has not given back stays locked until somebody has its mark again; so give back first.
    #[inline]
    fn drop(&mut self) {
        SPARE.set(self.mark);
    }
}

/// How an attempt to take a lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was free and is the owner's now.
    Now,
    /// It was the owner's before.
    Before,
    /// Somebody else has it.
    Not,
}

/// A value behind a lock; see the module's head.
#[derive(Debug, Default)]
#[repr(C)] // The lock beside the beginning of the value: one line of memory for both.
pub struct OwnedLock<T> {
    owner: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: as of a mutex: an owner of one thread at a time reaches the value, and the lock synchronises one with the next.
unsafe impl<T: Send> Sync for OwnedLock<T> {}

impl<T> OwnedLock<T> {
    pub fn new(value: T) -> OwnedLock<T> {
        OwnedLock { owner: AtomicU64::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Whether nobody had it a moment ago.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == FREE
    }

    #[inline]
    pub fn is_of(&self, owner: &Owner) -> bool {
        // That mark was written by this thread, if it is there at all.
        self.owner.load(Ordering::Relaxed) == owner.mark
    }

    /// Takes it, if it is free.
    #[inline]
    pub fn take(&self, owner: &Owner) -> Taken {
        let had = self.owner.load(Ordering::Relaxed);
        if had == owner.mark {
            return Taken::Before;
        }
        let exchange =
            |free| self.owner.compare_exchange(free, owner.mark, Ordering::Acquire, Ordering::Relaxed);
        if had == FREE && exchange(FREE).is_ok() { Taken::Now } else { Taken::Not }
    }

    /// Gives it back, if it is the owner's.
    #[inline]
    pub fn give_back(&self, owner: &mut Owner) {
        if self.is_of(owner) {
            self.owner.store(FREE, Ordering::Release);
        }
    }

    /// What is behind it, for its owner.
    #[inline]
    pub fn get<'a>(&'a self, owner: &'a Owner) -> Option<&'a T> {
        // SAFETY: the lock is this owner's, which is the only one with its mark, so nobody else reaches the value. Through the
        // owner it is reached for writing, or given back, only by `&mut Owner`, which is borrowed as long as the reference is.
        // Who had it before wrote before giving it back, which `take` has acquired.
        self.is_of(owner).then(|| unsafe { &*self.value.get() })
    }

    /// As [`OwnedLock::get`], for changing it.
    #[inline]
    pub fn get_mut<'a>(&'a self, owner: &'a mut Owner) -> Option<&'a mut T> {
        // SAFETY: as in `get`; the owner is borrowed for writing, so there is no other reference that it gave.
        self.is_of(owner).then(|| unsafe { &mut *self.value.get() })
    }

    /// What is behind several locks of one owner at once.
    ///
    /// # Panics
    /// While walking, when the locks do not ascend in memory, or one is not the owner's.
    pub fn each_mut<'a>(
        locks: impl Iterator<Item = &'a OwnedLock<T>>,
        owner: &'a mut Owner,
    ) -> impl Iterator<Item = &'a mut T>
    where
        T: 'a,
    {
        let mut last = std::ptr::null();
        locks.map(move |lock| {
            let here = std::ptr::from_ref(lock);
            assert!(here > last && lock.is_of(owner), "locks in order, and of one owner");
            last = here;
            // SAFETY: as in `get_mut`; the owner is borrowed as long as the references are, and each lock comes once, because
            // addresses ascend, and those of two locks that ascend are not of one.
            unsafe { &mut *lock.value.get() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time_reaches_the_value() {
        let lock = OwnedLock::new(1);
        let (mut one, mut other) = (Owner::new(), Owner::new());
        assert_eq!(
            (lock.take(&one), lock.take(&one), lock.take(&other)),
            (Taken::Now, Taken::Before, Taken::Not)
        );
        *lock.get_mut(&mut one).unwrap() += 1;
        assert_eq!((lock.get(&one), lock.get(&other)), (Some(&2), None));
        assert_eq!(lock.get_mut(&mut other), None);
        lock.give_back(&mut other);
        assert!(lock.is_of(&one) && !lock.is_free());
        lock.give_back(&mut one);
        assert!(lock.is_free());
        assert_eq!((lock.get(&one), lock.take(&other)), (None, Taken::Now));
        assert_eq!(lock.get(&other), Some(&2));
    }

    #[test]
    fn marks_of_the_living_differ() {
        let mut living: Vec<Owner> = (0..3).map(|_| Owner::new()).collect();
        living.remove(1);
        living.push(Owner::new());
        living.push(Owner::new());
        let elsewhere = std::thread::spawn(|| Owner::new().mark).join().unwrap();
        let mut marks: Vec<u64> = living.iter().map(|owner| owner.mark).chain([elsewhere, FREE]).collect();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), 6);
    }

    #[test]
    fn several_values_are_reached_at_once() {
        let locks = [1, 2, 3].map(OwnedLock::new);
        let mut owner = Owner::new();
        assert!(locks.iter().all(|lock| lock.take(&owner) == Taken::Now));
        let mut values: Vec<&mut i32> = OwnedLock::each_mut(locks.iter(), &mut owner).collect();
        values.iter_mut().for_each(|value| **value *= 2);
        assert_eq!(values, [&2, &4, &6]);
    }

    #[test]
    fn no_value_is_reached_twice_at_once() {
        let lock = OwnedLock::new(1);
        let mut owner = Owner::new();
        lock.take(&owner);
        let mut twice = OwnedLock::each_mut([&lock, &lock].into_iter(), &mut owner);
        let first = twice.next();
        let second = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| twice.next().is_some()));
        assert!(first.is_some() && second.is_err());
    }

    #[test]
    fn increments_of_several_threads_add_up() {
        const EACH: usize = if cfg!(miri) { 20 } else { 10_000 };
        let lock = OwnedLock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut owner = Owner::new();
                    for _ in 0..EACH {
                        while lock.take(&owner) == Taken::Not {
                            std::thread::yield_now();
                        }
                        *lock.get_mut(&mut owner).unwrap() += 1;
                        lock.give_back(&mut owner);
                    }
                });
            }
        });
        let owner = Owner::new();
        lock.take(&owner);
        assert_eq!(lock.get(&owner), Some(&(3 * EACH)));
    }
}
