//! A mutex whose waiters park the connection, not the thread.
//!
//! Workers take a shard with [`ParkingMutex::try_lock`]; when it is busy they spin briefly (a command
//! takes about a microsecond) and then [`park`](ParkingMutex::park) the waker of the connection, so the
//! worker goes on with its other connections. Whoever unlocks wakes the parked. A thread without connections parks itself
//! ([`ParkingMutex::lock_blocking`]).
//!
//! ```text
//! waiter: waiting += 1 ─▶ free? try_lock again : sleep      holder: unlock ─▶ fence ─▶ waiting? ─▶ wake
//! ```
//!
//! Who holds it stands in the lock ([`crate::ds::owned`]): an [`Owner`] may hold many, and reaches what is behind each.
//!
//! A holder that will keep the lock for long (a script) says so with [`ParkingMutex::hold_long`]: from then on nobody
//! blocks a thread for it ([`ParkingMutex::lock_unless_long`]), because that thread may be the one that the holder needs to
//! go on.
//!
//! **Invariant:** no wake-up is lost. The waiter announces itself before it looks whether the lock is free, the holder looks for
//! waiters after unlocking, both sequentially consistent: one of them sees the other. `tests/shuttle.rs`
//! lets a model checker search for a schedule that breaks this.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::base::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, fence, thread};
use crate::ds::owned::{OwnedLock, Owner, Taken};

/// Tries before a busy lock is given up for now: some 300 ns, less than it takes to park and wake. The model
/// checker is to look at parking, not at spinning.
const SPINS: usize = if cfg!(feature = "shuttle") { 1 } else { 64 };

/// Between two looks of a thread whether the holder has said that it keeps the lock for long.
const PATIENCE: Duration = Duration::from_micros(500);

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
    value: OwnedLock<T>,
    parked: Mutex<Vec<Waker>>,
}

impl<T> ParkingMutex<T> {
    pub fn new(value: T) -> Self {
        ParkingMutex {
            value: OwnedLock::new(value),
            waiting: AtomicUsize::new(0),
            held_long: AtomicBool::new(false),
            parked: Mutex::new(Vec::new()),
        }
    }

    /// The value behind its lock, for whoever holds it.
    #[inline]
    pub fn value(&self) -> &OwnedLock<T> {
        &self.value
    }

    /// Takes the lock, if nobody else holds it for longer than a short spin.
    #[inline]
    pub fn try_lock(&self, owner: &Owner) -> Taken {
        match self.value.take(owner) {
            Taken::Not => self.spin(owner),
            taken => taken,
        }
    }

    /// Takes the lock, if nobody else holds it.
    #[inline]
    pub fn try_lock_at_once(&self, owner: &Owner) -> Taken {
        self.value.take(owner)
    }

    #[cold]
    fn spin(&self, owner: &Owner) -> Taken {
        let mut tries = (0..SPINS).map(|_| {
            std::hint::spin_loop();
            self.value.take(owner)
        });
        tries.find(|taken| *taken != Taken::Not).unwrap_or(Taken::Not)
    }

    /// Takes the lock, blocking this thread. For threads without connections.
    pub fn lock_blocking(&self, owner: &Owner) -> Taken {
        self.wait(owner, || {
            thread::park();
            false
        })
    }

    /// Takes the lock, blocking this thread while its holder does not keep it for long; [`Taken::Not`] when it does.
    pub fn lock_unless_long(&self, owner: &Owner) -> Taken {
        self.wait(owner, || {
            thread::park_timeout(PATIENCE);
            self.is_held_long()
        })
    }

    /// Takes the lock, or sleeps, again and again, until it has it or `sleep` says that it is enough.
    fn wait(&self, owner: &Owner, sleep: impl Fn() -> bool) -> Taken {
        let mut waker = None;
        loop {
            match self.try_lock(owner) {
                Taken::Not => {}
                taken => return taken,
            }
            let waker = waker.get_or_insert_with(|| Waker::from(Arc::new(Unpark(thread::current()))));
            if self.park(waker) && sleep() {
                return Taken::Not;
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
        let is_free = self.value.is_free();
        if is_free {
            // Everyone, this waker included.
            self.wake_parked();
        }
        !is_free
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

    /// Lets it go, if it is the owner's.
    pub fn unlock(&self, owner: &mut Owner) {
        ParkingMutex::unlock_all(&[self], owner);
    }

    /// Lets several go; one fence does for all of them.
    #[inline]
    pub fn unlock_all(locks: &[&ParkingMutex<T>], owner: &mut Owner) {
        if !locks.is_empty() {
            locks.iter().for_each(|lock| lock.value.give_back(owner));
            fence(Ordering::SeqCst);
            locks.iter().for_each(|lock| lock.wake_waiting());
        }
    }

    #[inline]
    fn wake_waiting(&self) {
        if self.is_wanted() {
            self.wake_parked();
        }
    }

    /// Whether somebody has parked meanwhile.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Its holder says whether it will be kept for long; to be taken back before it is let go.
    pub fn hold_long(&self, is_long: bool) {
        self.held_long.store(is_long, Ordering::Relaxed);
    }

    /// Wakes who has parked, although it is not free: there is something new to know about it.
    pub fn rouse(&self) {
        fence(Ordering::SeqCst);
        self.wake_waiting();
    }
}

/// Wakes a thread that has parked itself.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
