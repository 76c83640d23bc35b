//! Requests of others that a connection had made ready when it ended: somebody has to serve them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::worker::Worker;
use crate::dispatch::Executor;
use crate::dispatch::exec::Attempts;

/// A task that serves them when their shards are free.
pub struct Debts {
    worker: Rc<Worker>,
    attempts: Attempts,
}

impl Debts {
    /// Serves them now, or when that is possible: this thread must not wait, for it may be the one whose script holds the shards.
    pub fn leave(worker: &Rc<Worker>, attempts: Attempts) {
        let mut debts = Debts { worker: Rc::clone(worker), attempts };
        if !debts.settle(None) && tokio::runtime::Handle::try_current().is_ok() {
            tokio::task::spawn_local(debts);
        }
    }

    /// Whether all are served; if not, `waker` is left where that has to be waited for.
    fn settle(&mut self, waker: Option<&std::task::Waker>) -> bool {
        let config = self.worker.config();
        let mut executor =
            Executor::new(&self.worker.engine, &config, self.worker.stats(), self.worker.seed());
        while let Err(busy) = executor.settle(&mut self.attempts) {
            executor.release();
            if waker.is_none_or(|waker| self.worker.engine.keyspace.park(busy, waker)) {
                return false;
            }
        }
        true
    }
}

impl Future for Debts {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut().settle(Some(cx.waker())) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
