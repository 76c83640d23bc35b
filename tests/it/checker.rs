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

/// One operation as a client saw it.
#[derive(Clone, Debug)]
pub struct Event {
    pub call: Call,
    pub answer: Answer,
    /// Ticks of a shared counter, just before it was sent and just after it was answered.
    pub began: u64,
    pub ended: u64,
}

/// Registers are numbered; all begin empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Set(Vec<(usize, i64)>),
    Get(Vec<usize>),
    Incr(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Values(Vec<Option<i64>>),
    Value(i64),
}

type State = Vec<Option<i64>>;

/// What a single thread would answer.
fn apply(state: &mut State, call: &Call) -> Answer {
    match call {
        Call::Set(pairs) => {
            pairs.iter().for_each(|&(register, value)| state[register] = Some(value));
            Answer::Done
        }
        Call::Get(registers) => Answer::Values(registers.iter().map(|&register| state[register]).collect()),
        Call::Incr(register) => {
            let value = state[*register].unwrap_or(0) + 1;
            state[*register] = Some(value);
            Answer::Value(value)
        }
    }
}

/// Whether some order explains the history.
pub fn is_linearizable(registers: usize, history: &[Event]) -> bool {
    let mut events: Vec<&Event> = history.iter().collect();
    events.sort_by_key(|event| event.began);
    let mut search = Search { placed: vec![false; events.len()], events, tried: HashSet::new() };
    search.place_next(0, &vec![None; registers])
}

struct Search<'h> {
    /// By beginning.
    events: Vec<&'h Event>,
    placed: Vec<bool>,
    /// The first unplaced event, the placed ones behind it, and the state: enough to know where the search is.
    tried: HashSet<(usize, Vec<usize>, State)>,
}

impl Search<'_> {
    fn place_next(&mut self, first: usize, state: &State) -> bool {
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
            if apply(&mut next, &self.events[index].call) != self.events[index].answer {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(call: Call, answer: Answer, began: u64, ended: u64) -> Event {
        Event { call, answer, began, ended }
    }

    fn set(value: i64, began: u64, ended: u64) -> Event {
        event(Call::Set(vec![(0, value)]), Answer::Done, began, ended)
    }

    fn get(value: Option<i64>, began: u64, ended: u64) -> Event {
        event(Call::Get(vec![0]), Answer::Values(vec![value]), began, ended)
    }

    #[test]
    fn overlapping_operations_may_go_either_way() {
        assert!(is_linearizable(1, &[set(1, 0, 10), get(None, 1, 2), get(Some(1), 3, 4)]));
        assert!(is_linearizable(1, &[set(1, 0, 10), set(2, 1, 9), get(Some(1), 11, 12)]));
        assert!(is_linearizable(1, &[set(1, 0, 10), set(2, 1, 9), get(Some(2), 11, 12)]));
    }

    #[test]
    fn a_stale_value_is_found() {
        assert!(!is_linearizable(1, &[set(1, 0, 1), set(2, 2, 3), get(Some(1), 4, 5)]));
        assert!(!is_linearizable(1, &[set(1, 0, 10), get(Some(1), 1, 2), get(None, 3, 4)]));
        assert!(!is_linearizable(1, &[set(1, 0, 1), get(None, 2, 3)]));
    }

    #[test]
    fn a_lost_increment_is_found() {
        let incr = |value, began, ended| event(Call::Incr(0), Answer::Value(value), began, ended);
        assert!(is_linearizable(1, &[incr(2, 0, 5), incr(1, 1, 6), get(Some(2), 7, 8)]));
        assert!(!is_linearizable(1, &[incr(1, 0, 5), incr(1, 1, 6)]));
    }

    #[test]
    fn half_a_change_of_two_registers_is_found() {
        let both = event(Call::Set(vec![(0, 1), (1, 1)]), Answer::Done, 0, 10);
        let seen =
            |values: [Option<i64>; 2]| event(Call::Get(vec![0, 1]), Answer::Values(values.to_vec()), 1, 2);
        assert!(is_linearizable(2, &[both.clone(), seen([Some(1), Some(1)])]));
        assert!(is_linearizable(2, &[both.clone(), seen([None, None])]));
        assert!(!is_linearizable(2, &[both, seen([Some(1), None])]));
    }
}
