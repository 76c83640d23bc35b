//! The locks and atomics of what several workers do at once, in two editions: the real ones, and those of the model checker
//! that `tests/shuttle.rs` runs: locks and waiters of the keyspace under every schedule it can think of.

#[cfg(not(feature = "shuttle"))]
pub use parking_lot::{Mutex, MutexGuard};
#[cfg(not(feature = "shuttle"))]
pub use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(feature = "shuttle"))]
pub use std::thread;

#[cfg(feature = "shuttle")]
pub use checked::Mutex;
#[cfg(feature = "shuttle")]
pub use shuttle::sync::MutexGuard;
#[cfg(feature = "shuttle")]
pub use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(feature = "shuttle")]
pub use shuttle::thread;

#[cfg(feature = "shuttle")]
mod checked {
    use super::MutexGuard;

    /// The mutex of `parking_lot`, as far as it is used, on that of the model checker.
    #[derive(Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }
}
