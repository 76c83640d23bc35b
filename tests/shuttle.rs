//! The lock protocol of [`ochre::keyspace::lock`], and who ends a wait ([`ochre::keyspace::waiters`]), under a model checker, which chooses who runs next at every
//! step of it: random schedules, and schedules with few but nasty switches (PCT, "A randomized scheduler with
//! probabilistic guarantees of finding bugs", 2010).
//!
//! ```text
//! cargo test --features shuttle --test shuttle
//! ```
//!
//! A waiter that is never woken is a deadlock, which the checker reports with the schedule that led there. It runs
//! everything as if memory were sequentially consistent, so it judges the protocol, not the fences.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use ochre::ds::owned::{Owner, Taken};
use ochre::keyspace::DbIndex;
use ochre::keyspace::lock::ParkingMutex;
use ochre::keyspace::waiters::{Ending, Pending, Served, Wait, Waiter, Wanted};
use ochre::resp::{OwnedArgs, Proto};
use ochre::value::Kind;
use shuttle::future;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Schedules of each kind; each test ends within seconds.
const SCHEDULES: usize = 3_000;
/// Switches at the worst possible moment that PCT looks for.
const DEPTH: usize = 3;

fn check(test: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(test.clone(), SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, DEPTH);
}

/// Takes the lock as a connection does: tries, parks, tries again when woken.
async fn with_lock<T, R>(mutex: &ParkingMutex<T>, mut run: impl FnMut(&mut T) -> R) -> R {
    poll_fn(|cx| {
        let mut owner = Owner::new();
        loop {
            if mutex.try_lock(&owner) == Taken::Now {
                return Poll::Ready(run_and_unlock(mutex, &mut owner, &mut run));
            }
            if mutex.park(cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Takes the lock as a thread without connections does.
fn with_lock_blocking<T, R>(mutex: &ParkingMutex<T>, run: impl FnOnce(&mut T) -> R) -> R {
    let mut owner = Owner::new();
    assert_eq!(mutex.lock_blocking(&owner), Taken::Now);
    run_and_unlock(mutex, &mut owner, run)
}

fn run_and_unlock<T, R>(mutex: &ParkingMutex<T>, owner: &mut Owner, run: impl FnOnce(&mut T) -> R) -> R {
    let result = run(mutex.value().get_mut(owner).unwrap());
    mutex.unlock(owner);
    result
}

/// Adds one in two steps, between which others may run, and notes when they do so inside.
fn increment(value: &mut usize, inside: &AtomicBool) {
    assert!(!inside.swap(true, Ordering::SeqCst), "two hold the lock");
    let read = *value;
    shuttle::thread::yield_now();
    *value = read + 1;
    inside.store(false, Ordering::SeqCst);
}

#[test]
fn whoever_parks_is_woken_and_nobody_shares_the_lock() {
    check(|| {
        let mutex = Arc::new(ParkingMutex::new(0));
        let inside = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (mutex, inside) = (Arc::clone(&mutex), Arc::clone(&inside));
                shuttle::thread::spawn(move || {
                    future::block_on(async {
                        for _ in 0..2 {
                            with_lock(&mutex, |value| increment(value, &inside)).await;
                        }
                    });
                })
            })
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
        with_lock_blocking(&mutex, |value| assert_eq!(*value, 6));
    });
}

#[test]
fn parked_connections_of_one_thread_are_all_woken() {
    check(|| {
        let mutex = Arc::new(ParkingMutex::new(0));
        let holder = {
            let mutex = Arc::clone(&mutex);
            shuttle::thread::spawn(move || {
                with_lock_blocking(&mutex, |value| {
                    shuttle::thread::yield_now();
                    *value += 1;
                });
            })
        };
        let done = Arc::new(AtomicUsize::new(0));
        let connections: Vec<_> = (0..3)
            .map(|_| {
                let (mutex, done) = (Arc::clone(&mutex), Arc::clone(&done));
                future::spawn(async move {
                    with_lock(&mutex, |value| *value += 1).await;
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        future::block_on(async {
            for connection in connections {
                connection.await.unwrap();
            }
        });
        holder.join().unwrap();
        let value = with_lock_blocking(&mutex, |value| *value);
        assert_eq!((value, done.load(Ordering::SeqCst)), (4, 3));
    });
}

#[test]
fn who_waits_for_several_locks_without_holding_gets_them() {
    check(|| {
        let locks = Arc::new([ParkingMutex::new(0), ParkingMutex::new(0)]);
        let both = |order: [usize; 2]| {
            let locks = Arc::clone(&locks);
            shuttle::thread::spawn(move || {
                future::block_on(poll_fn(|cx| {
                    let mut owner = Owner::new();
                    loop {
                        // Like a view: all or nothing, let go together, and parked at the one that was busy.
                        let mut busy = order[0];
                        let [first, second] = order.map(|index| &locks[index]);
                        if first.try_lock(&owner) == Taken::Now {
                            if second.try_lock(&owner) == Taken::Now {
                                for lock in [first, second] {
                                    *lock.value().get_mut(&mut owner).unwrap() += 1;
                                }
                                ParkingMutex::unlock_all(&[first, second], &mut owner);
                                return Poll::Ready(());
                            }
                            first.unlock(&mut owner);
                            busy = order[1];
                        }
                        if locks[busy].park(cx.waker()) {
                            return Poll::Pending;
                        }
                    }
                }));
            })
        };
        let tasks = [both([0, 1]), both([1, 0]), both([0, 1])];
        for task in tasks {
            task.join().unwrap();
        }
        locks.iter().for_each(|lock| with_lock_blocking(lock, |value| assert_eq!(*value, 3)));
    });
}

#[test]
fn threads_that_block_and_connections_that_park_are_both_woken() {
    check(|| {
        let mutex = Arc::new(ParkingMutex::new(0));
        let inside = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..3)
            .map(|index| {
                let (mutex, inside) = (Arc::clone(&mutex), Arc::clone(&inside));
                shuttle::thread::spawn(move || {
                    for _ in 0..2 {
                        if index == 0 {
                            future::block_on(with_lock(&mutex, |value| increment(value, &inside)));
                        } else {
                            with_lock_blocking(&mutex, |value| increment(value, &inside));
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        with_lock_blocking(&mutex, |value| assert_eq!(*value, 6));
    });
}

/// A push and the end of its time meet at one waiter: it is ended once, the element is taken only if it was served, and
/// its connection always hears of it.
#[test]
fn a_wait_ends_once_and_its_connection_is_woken() {
    check(|| {
        let queue = Arc::new(ParkingMutex::new(vec!["element"]));
        let ending = future::block_on({
            let queue = Arc::clone(&queue);
            async move {
                let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                let pending = Pending {
                    args: OwnedArgs::default(),
                    db: DbIndex(0),
                    proto: Proto::Resp2,
                    no_touch: false,
                    caching: false,
                };
                let wanted = Wanted { kind: Kind::List, or_none: false };
                let waiter = Arc::new(Waiter::new((1, 1), wanted, true, pending, waker));
                let timer = Arc::clone(&waiter);
                shuttle::thread::spawn(move || timer.end(Ending::TimedOut));
                for _ in 0..2 {
                    let (waiter, queue) = (Arc::clone(&waiter), Arc::clone(&queue));
                    shuttle::thread::spawn(move || with_lock_blocking(&queue, |queue| serve(&waiter, queue)));
                }
                poll_fn(|_| waiter.take_ending().map_or(Poll::Pending, Poll::Ready)).await
            }
        });
        let left = with_lock_blocking(&queue, |queue| queue.len());
        match ending {
            Ending::Served(..) => assert_eq!(left, 0, "served with nothing"),
            Ending::TimedOut => assert_eq!(left, 1, "taken for somebody who was not there any more"),
            Ending::Unblocked | Ending::Left => panic!("nobody said so"),
        }
    });
}

/// As the executor does it: under the lock of the key, then under that of the waiter.
fn serve(waiter: &Waiter, queue: &mut Vec<&str>) {
    let mut state = waiter.claim();
    if matches!(*state, Wait::Pending(_)) && queue.pop().is_some() {
        waiter.end_claimed(&mut state, Ending::Served(Served::default()));
    }
}
