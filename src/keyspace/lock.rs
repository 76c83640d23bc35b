//! A mutex whose waiters park the connection, not the thread.
//!
//! Workers take a shard with [`ParkingMutex::try_lock`]; when it is busy they spin briefly (a command
//! takes about a microsecond) and then [`park`](ParkingMutex::park) the waker of the connection, so the
//! worker goes on with its other connections. Whoever unlocks wakes the parked.
//!
//! ```text
//! waiter: waiting += 1 ─▶ try_lock again ─▶ sleep      holder: unlock ─▶ fence ─▶ waiting? ─▶ wake
//! ```
//!
//! A holder that will keep the lock for long (a script) says so with [`ParkingGuard::hold_long`]: from then on nobody
//! blocks a thread for it ([`ParkingMutex::lock_unless_long`]), because that thread may be the one that the holder needs to
//! go on.
//!
//! **Invariant:** no wake-up is lost. The waiter announces itself before its last try, the holder looks for
//! waiters after unlocking, both sequentially consistent: one of them sees the other. `tests/shuttle.rs`
//! lets a model checker search for a schedule that breaks this.

use std::sync::atomic::AtomicU16;
use std::task::Waker;

use smallvec::{Array, SmallVec};

use super::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, fence};

/// Tries before a busy lock is given up for now: some 300 ns, less than it takes to park and wake. The model
/// checker is to look at parking, not at spinning.
const SPINS: usize = if cfg!(feature = "shuttle") { 1 } else { 64 };

/// Between two looks whether the holder has said that it keeps the lock for long.
const PATIENCE: std::time::Duration = std::time::Duration::from_micros(500);

/// A value behind a lock with parked waiters. Aligned so that two locks share no cache line (nor the pair of lines that
/// processors fetch together): workers on different shards must not feel each other. In this order, so that what taking and
/// releasing it touches is in one line, with the beginning of the value: another worker may have written it last, and
/// then it comes from that one's cache.
#[repr(C, align(128))]
pub struct ParkingMutex<T> {
    /// Number of wakers in `parked`, readable without its lock.
    waiting: AtomicUsize,
    /// The holder keeps it for long.
    held_long: AtomicBool,
    /// See [`ParkingMutex::place`].
    place: AtomicU16,
    value: Mutex<T>,
    parked: Mutex<Vec<Waker>>,
}

/// Access to the value; unlocks and wakes the parked when dropped.
pub struct ParkingGuard<'m, T> {
    // `Option` so that `drop` can unlock before it looks for waiters.
    guard: Option<MutexGuard<'m, T>>,
    mutex: &'m ParkingMutex<T>,
}

impl<T> ParkingMutex<T> {
    pub fn new(value: T) -> Self {
        ParkingMutex {
            value: Mutex::new(value),
            waiting: AtomicUsize::new(0),
            held_long: AtomicBool::new(false),
            place: AtomicU16::new(0),
            parked: Mutex::new(Vec::new()),
        }
    }

    /// The lock, if nobody holds it for longer than a short spin.
    #[inline]
    pub fn try_lock(&self) -> Option<ParkingGuard<'_, T>> {
        self.try_lock_at_once().or_else(|| self.spin())
    }

    /// The lock, if nobody holds it.
    #[inline]
    pub fn try_lock_at_once(&self) -> Option<ParkingGuard<'_, T>> {
        self.value.try_lock().map(|guard| ParkingGuard { guard: Some(guard), mutex: self })
    }

    #[cold]
    fn spin(&self) -> Option<ParkingGuard<'_, T>> {
        (0..SPINS).find_map(|_| {
            std::hint::spin_loop();
            self.try_lock_at_once()
        })
    }

    /// What its holder has said last ([`ParkingGuard::note_place`]), or anything for whoever does not hold it.
    #[inline]
    pub fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed).into()
    }

    /// The lock, blocking this thread. For threads without connections, and for a waiter that has
    /// escalated (see [`super::view`]).
    pub fn lock_blocking(&self) -> ParkingGuard<'_, T> {
        ParkingGuard { guard: Some(self.value.lock()), mutex: self }
    }

    /// The lock, blocking this thread while its holder does not keep it for long; `None` when it does.
    pub fn lock_unless_long(&self) -> Option<ParkingGuard<'_, T>> {
        loop {
            if let Some(guard) = self.value.try_lock_for(PATIENCE) {
                return Some(ParkingGuard { guard: Some(guard), mutex: self });
            }
            if self.is_held_long() {
                return None;
            }
        }
    }

    /// Whether somebody has it and keeps it for long.
    pub fn is_held_long(&self) -> bool {
        self.held_long.load(Ordering::Relaxed)
    }

    /// Asks for `waker` to be woken when the lock is released. Returns `false` when it is free already:
    /// then the caller tries again at once.
    pub fn park(&self, waker: &Waker) -> bool {
        {
            let mut parked = self.parked.lock();
            if !parked.iter().any(|other| other.will_wake(waker)) {
                parked.push(waker.clone());
            }
            self.waiting.store(parked.len(), Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        // Free: take and drop the lock, which wakes everyone parked, this waker included.
        match self.value.try_lock() {
            Some(guard) => {
                drop(ParkingGuard { guard: Some(guard), mutex: self });
                false
            }
            None => true,
        }
    }

    #[cold]
    fn wake_parked(&self) {
        let parked = {
            let mut parked = self.parked.lock();
            self.waiting.store(0, Ordering::SeqCst);
            std::mem::take(&mut *parked)
        };
        parked.into_iter().for_each(Waker::wake);
    }
}

impl<T> ParkingGuard<'_, T> {
    /// Notes where the holder keeps this guard among others, so that it finds it again without a search.
    #[inline]
    pub fn note_place(&self, place: usize) {
        self.mutex.place.store(place as u16, Ordering::Relaxed);
    }

    /// The first half of letting it go; a fence and [`ParkingGuard::wake_waiting`] are to follow.
    #[inline]
    fn unlock(&mut self) {
        if self.mutex.is_held_long() {
            self.mutex.held_long.store(false, Ordering::Relaxed);
        }
        self.guard = None;
    }

    /// The second half.
    #[inline]
    fn wake_waiting(&self) {
        if self.is_wanted() {
            self.mutex.wake_parked();
        }
    }

    /// Whether somebody has parked meanwhile.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.mutex.waiting.load(Ordering::Relaxed) > 0
    }

    /// Says that it will be kept for long, until it is dropped.
    pub fn hold_long(&self) {
        self.mutex.held_long.store(true, Ordering::Relaxed);
    }

    /// Wakes who has parked, although it is not free: there is something new to know about it.
    pub fn rouse(&self) {
        fence(Ordering::SeqCst);
        self.wake_waiting();
    }
}

impl<T> std::ops::Deref for ParkingGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is only taken in drop"),
        }
    }
}

impl<T> std::ops::DerefMut for ParkingGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is only taken in drop"),
        }
    }
}

impl<T> Drop for ParkingGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.guard.is_some() {
            self.unlock();
            fence(Ordering::SeqCst);
            self.wake_waiting();
        }
    }
}

/// Drops the guards; one fence does for all of them.
#[inline]
pub fn release_all<'m, I, T: 'm, A>(guards: &mut SmallVec<A>)
where
    A: Array<Item = (I, ParkingGuard<'m, T>)>,
{
    if !guards.is_empty() {
        guards.iter_mut().for_each(|(_, guard)| guard.unlock());
        fence(Ordering::SeqCst);
        guards.iter().for_each(|(_, guard)| guard.wake_waiting());
        guards.clear();
    }
}
