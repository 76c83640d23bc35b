//! A server without sockets, and one client of it.

use std::io::IoSlice;
use std::sync::Arc;
use std::task::Waker;

use ochre::base::clock::{Time, UnixMs};
use ochre::config::{Startup, Stdin, Store};
use ochre::dispatch::exec::{Attempts, Executor, Step};
use ochre::dispatch::{Engine, Plan};
use ochre::keyspace::waiters::Ending;
use ochre::resp::{Output, OwnedArgs};
use ochre::session::{Client, Session, Transport};

pub fn engine(config: &[u8]) -> Arc<Engine> {
    let startup = Startup { stdin: Stdin::Text(config.to_vec()), ..Startup::default() };
    let store = Store::load(startup).expect("the configuration is good");
    ochre::server::boot::engine(store, Time::manual(UnixMs(1_700_000_000_000))).expect("it boots")
}

/// Nobody else sees it, unless it is put into the engine's registry.
pub fn session(engine: &Engine) -> Session {
    let names = ("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
    let client = Client::new(engine.clients.next_id(), Transport::Tcp, names, 9, 0, 0);
    client.set_owner(Waker::noop().clone(), Arc::default());
    Session::new(Arc::new(client), &engine.acl)
}

/// Runs a request; what became of it, and all that was answered. For what it would wait, its time is over at once.
pub fn run(engine: &Arc<Engine>, session: &mut Session, request: &OwnedArgs) -> (Step, Vec<u8>) {
    let config = engine.config.snapshot();
    let mut out = Output::default();
    let mut executor = Executor::new(engine, &config, engine.stats.worker(0), 7);
    let mut plan = Plan::default();
    executor.plan([request.as_args()].into_iter(), &mut plan);
    let planned = plan.iter().next().expect("one request was planned");
    let step = executor.run(session, &planned, &mut Attempts::default(), &mut out);
    drop(executor);
    let Some((waiter, _)) = &session.waiting else { return (step, sent(&mut out)) };
    waiter.end(Ending::TimedOut);
    let ending = waiter.take_ending().expect("it has ended");
    engine.end_wait(session, ending, engine.stats.worker(0), &mut out);
    (Step::Done, sent(&mut out))
}

/// Takes all bytes of the output.
fn sent(out: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        let mut slices = [IoSlice::new(b""); 1];
        assert_eq!(out.slices(&mut slices), 1);
        bytes.extend_from_slice(&slices[0]);
        let len = slices[0].len();
        out.advance(len);
    }
    bytes
}

/// Where the reply that begins at `at` ends.
#[allow(dead_code)] // Not all targets look.
pub fn reply_end(bytes: &[u8], at: usize) -> Option<usize> {
    let line_end = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
    let text = std::str::from_utf8(bytes.get(at + 1..line_end)?).ok();
    let next = line_end + 2;
    let many = |count: i64| (0..count.max(0)).try_fold(next, |at, _| reply_end(bytes, at));
    let count = || text?.parse::<i64>().ok();
    match bytes.get(at)? {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Some(next),
        b'$' | b'=' | b'!' => match count()? {
            -1 => Some(next),
            len => {
                let end = next + usize::try_from(len).ok()?;
                (bytes.get(end..end + 2)? == b"\r\n").then_some(end + 2)
            }
        },
        b'*' | b'~' => many(count()?),
        b'%' => many(count()? * 2),
        _ => None,
    }
}
