//! What decoded requests mean: which command each is, and which keys it has.
//!
//! Everything that happens to a request stands on this (memory fetched ahead, the gates, the locks, the handler), and nothing
//! that a request does can change it. So it is worked out once, for the requests of a batch together, before the first of
//! them runs.
//!
//! ```text
//! GET a │ MSET b 1 c 2 │ GTE d        requests: (get, ..1) (mset, ..3) (none, ..3)      keys: a b c
//! ```

use smallvec::SmallVec;

use super::command::Request;
use super::exec::Executor;
use super::gates::admit;
use super::table::Registered;
use crate::keyspace::{Key, Keyspace};
use crate::resp::Args;

/// Keys of one request or of a few.
pub(super) type Keys<'a> = SmallVec<[Key<'a>; 16]>;

/// Requests of a batch, in order. See the module's head.
#[derive(Default)]
pub struct Plan<'a> {
    requests: SmallVec<[Understood<'a>; 16]>,
    /// Of all requests, one behind the other.
    keys: Keys<'a>,
}

#[derive(Clone, Copy)]
struct Understood<'a> {
    args: Args<'a>,
    command: Option<&'a Registered>,
    /// How many keys it has; they lie behind those of the request before it.
    keys: usize,
}

/// One request of a plan.
pub enum Planned<'a> {
    Request(Request<'a>),
    /// There is no such command, or not with so many arguments.
    Stray(Args<'a>),
}

impl<'a> Plan<'a> {
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The keys of all requests.
    pub(super) fn keys(&self) -> &[Key<'a>] {
        &self.keys
    }

    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Planned<'_>> {
        let mut rest = self.keys.as_slice();
        self.requests.iter().map(move |&Understood { args, command, keys }| {
            let (keys, behind) = rest.split_at_checked(keys).unwrap_or_default();
            rest = behind;
            match command {
                Some(command) => Planned::Request(Request { command, args, keys }),
                None => Planned::Stray(args),
            }
        })
    }
}

impl<'k> Executor<'k> {
    /// Adds `requests` to a plan.
    #[inline(never)] // Once for many requests: its loop needs the registers for itself.
    pub fn plan<'a>(&mut self, requests: impl Iterator<Item = Args<'a>>, plan: &mut Plan<'a>)
    where
        'k: 'a,
    {
        self.is_clear = false;
        for args in requests {
            let command = self.find(args.at(0)).and_then(|found| admit(found, &args));
            let keys = match command {
                Some(command) => push_keys(&self.engine.keyspace, command, &args, &mut plan.keys),
                None => 0,
            };
            plan.requests.push(Understood { args, command, keys });
        }
    }
}

/// Appends the keys of a request; returns how many they are. Where they can't be told (a number of keys that is none) there are
/// none: the command says in its own words what is wrong.
#[inline(always)] // All but its usual branch is elsewhere.
pub(super) fn push_keys<'a>(
    keyspace: &Keyspace,
    registered: &Registered,
    args: &Args<'a>,
    keys: &mut Keys<'a>,
) -> usize {
    match registered.only_key.and_then(|position| args.get(position)) {
        // Nearly all requests have one key at a fixed place.
        Some(name) => {
            keys.push(keyspace.key(name));
            1
        }
        None => push_walked(keyspace, registered, args, keys),
    }
}

#[inline(never)] // As it is much longer.
fn push_walked<'a>(
    keyspace: &Keyspace,
    registered: &Registered,
    args: &Args<'a>,
    keys: &mut Keys<'a>,
) -> usize {
    let before = keys.len();
    let walked = registered.command.walk_keys(args, |position, _| keys.push(keyspace.key(args.at(position))));
    if walked.is_err() {
        keys.truncate(before);
    }
    keys.len() - before
}
