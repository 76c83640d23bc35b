//! Is there an order of events that explains what concurrent clients saw? A checker for linearizability after Wing
//! and Gong ("Testing and verifying concurrent objects", 1993), with the memory that Lowe added in 2017.
//!
//! Every operation has a moment before which it can't and one after which it must have happened. The search puts
//! one operation after the other that no unplaced operation must precede, as long as a model of the object, run beside it,
//! gives the answer that was seen; a combination of placed operations and state is tried once.
//!
//! ```text
//! client 1   |--- SET x 1 ---|                 the order  SET x 1, GET x → 1, SET x 2  explains it;
//! client 2        |- GET x → 1 -|              had the GET begun after SET x 2 ended,
//! client 3                |--- SET x 2 ---|    nothing would
//! ```

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// An object as a single thread knows it.
pub trait Model: Clone + Eq + Hash {
    type Call: Clone + Debug;
    type Answer: Clone + Debug + PartialEq;

    /// What a single thread would answer.
    fn apply(&mut self, call: &Self::Call) -> Self::Answer;
}

/// One operation as a client saw it.
#[derive(Clone, Debug)]
pub struct Event<M: Model> {
    pub call: M::Call,
    pub answer: M::Answer,
    /// Ticks of a shared counter, just before it was sent and just after it was answered.
    pub began: u64,
    pub ended: u64,
}

/// Whether some order explains the history.
pub fn is_linearizable<M: Model>(beginning: &M, history: &[Event<M>]) -> bool {
    let mut events: Vec<&Event<M>> = history.iter().collect();
    events.sort_by_key(|event| event.began);
    let mut search = Search { placed: vec![false; events.len()], events, tried: HashSet::new() };
    search.place_next(0, beginning)
}

struct Search<'h, M: Model> {
    /// By beginning.
    events: Vec<&'h Event<M>>,
    placed: Vec<bool>,
    /// The first unplaced event, the placed ones behind it, and the state: enough to know where the search is.
    tried: HashSet<(usize, Vec<usize>, M)>,
}

impl<M: Model> Search<'_, M> {
    fn place_next(&mut self, first: usize, state: &M) -> bool {
        let first =
            (first..self.events.len()).find(|&index| !self.placed[index]).unwrap_or(self.events.len());
        if first == self.events.len() {
            return true;
        }
        // Whatever begins after some unplaced operation ended can't be the next one.
        let unplaced = |index: &usize| !self.placed[*index];
        let limit = (first..self.events.len()).filter(unplaced).map(|index| self.events[index].ended).min();
        let limit = limit.unwrap_or(u64::MAX);
        let window: Vec<usize> =
            (first..self.events.len()).take_while(|&index| self.events[index].began < limit).collect();
        let behind = (first..self.events.len()).filter(|&index| self.placed[index]).collect();
        if !self.tried.insert((first, behind, state.clone())) {
            return false;
        }
        for index in window {
            if self.placed[index] {
                continue;
            }
            let mut next = state.clone();
            if next.apply(&self.events[index].call) != self.events[index].answer {
                continue;
            }
            self.placed[index] = true;
            if self.place_next(first, &next) {
                return true;
            }
            self.placed[index] = false;
        }
        false
    }
}
