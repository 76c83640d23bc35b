//! The post of one worker: how its clients learn that something is in their mailboxes.
//!
//! Who leaves a message calls the mailbox's owner here. Usually the owner is woken at once. When many are called, the worker's
//! postman comes: from then on calls are collected, and it wakes all who were called in rounds, until nobody is.
//!
//! ```text
//! send ─▶ mailbox ─▶ Post::call ─▶ owner                                    few
//! send ─▶ mailbox ─▶ Post::call ─▶ wakers ─▶ Post::take_round ─▶ owners     many
//! ```
//!
//! **Invariant:** who is called is woken at once, or is taken with the next round. Calls are only collected while a postman is
//! there.

use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// So many calls bring the postman.
const CROWD: usize = 16;

/// See the module's head.
#[derive(Default)]
pub struct Post(Mutex<Called>);

#[derive(Default)]
struct Called {
    /// Who is woken with the next round.
    wakers: Vec<Waker>,
    /// Calls go there.
    is_collecting: bool,
    /// Who was woken at once since the postman came last.
    woken: usize,
    postman: Option<Waker>,
}

impl Post {
    /// Has the owner of a mailbox woken, now or with the next round.
    pub(super) fn call(&self, owner: &Waker) {
        let mut called = self.0.lock();
        if called.is_collecting {
            return called.wakers.push(owner.clone());
        }
        owner.wake_by_ref();
        called.woken += 1;
        if called.woken == CROWD
            && let Some(postman) = &called.postman
        {
            postman.wake_by_ref();
        }
    }

    /// Waits until many were woken, and has calls collected from then on. Who asks is the postman.
    pub fn poll_crowd(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut called = self.0.lock();
        if called.postman.as_ref().is_none_or(|postman| !postman.will_wake(cx.waker())) {
            called.postman = Some(cx.waker().clone());
        }
        if called.woken < CROWD {
            return Poll::Pending;
        }
        called.woken = 0;
        called.is_collecting = true;
        Poll::Ready(())
    }

    /// Whether somebody was called meanwhile; when nobody was, calls are no longer collected.
    pub fn goes_on(&self) -> bool {
        let mut called = self.0.lock();
        called.is_collecting = !called.wakers.is_empty();
        called.is_collecting
    }

    /// Moves those who were called into `round`, which is empty.
    pub fn take_round(&self, round: &mut Vec<Waker>) {
        std::mem::swap(round, &mut self.0.lock().wakers);
    }

    /// The postman goes: from now on owners are woken at once.
    pub fn close(&self) {
        let mut called = self.0.lock();
        called.postman = None;
        called.is_collecting = false;
        called.wakers.drain(..).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn counted() -> (Arc<Woken>, Waker) {
        let woken = Arc::new(Woken::default());
        (Arc::clone(&woken), Waker::from(woken))
    }

    #[test]
    fn few_are_woken_at_once() {
        let post = Post::default();
        let ((came, postman), (woken, owner)) = (counted(), counted());
        assert!(post.poll_crowd(&mut Context::from_waker(&postman)).is_pending());
        (1..CROWD).for_each(|_| post.call(&owner));
        assert_eq!((came.times(), woken.times()), (0, CROWD - 1));
    }

    #[test]
    fn many_bring_the_postman_who_collects_until_nobody_is_called() {
        let post = Post::default();
        let ((came, postman), (woken, owner)) = (counted(), counted());
        let mut cx = Context::from_waker(&postman);
        assert!(post.poll_crowd(&mut cx).is_pending());
        (0..CROWD).for_each(|_| post.call(&owner));
        assert_eq!((came.times(), woken.times()), (1, CROWD));
        assert!(post.poll_crowd(&mut cx).is_ready());

        post.call(&owner);
        assert_eq!(woken.times(), CROWD, "called during the round");
        assert!(post.goes_on());
        let mut round = Vec::new();
        post.take_round(&mut round);
        round.drain(..).for_each(Waker::wake);
        assert_eq!(woken.times(), CROWD + 1);

        assert!(!post.goes_on());
        post.call(&owner);
        assert_eq!(woken.times(), CROWD + 2, "at once again");
        assert!(post.poll_crowd(&mut cx).is_pending());
    }

    #[test]
    fn who_was_called_is_woken_when_the_postman_goes() {
        let post = Post::default();
        let ((_, postman), (woken, owner)) = (counted(), counted());
        (0..CROWD).for_each(|_| post.call(&owner));
        assert!(post.poll_crowd(&mut Context::from_waker(&postman)).is_ready());
        post.call(&owner);
        post.close();
        post.call(&owner);
        assert_eq!(woken.times(), CROWD + 2);
    }
}
