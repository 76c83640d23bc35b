//! The server through its sockets: real TCP, the `redis` crate, raw bytes, and the program itself as a process.
//!
//! | file | asks |
//! |---|---|
//! | [`advisories`] | does anything of what was found in the Lua of others work here |
//! | [`clients`] | does a client library get along with it |
//! | [`container`] | a limit of memory is heard of and kept |
//! | [`files`] | real servers load our files, and ours loads theirs |
//! | [`protocol`] | requests cut anywhere, long pipelines, every malformed request |
//! | [`guards`] | who may do what, from this machine and from elsewhere; files that no value can add a line to |
//! | [`limits`] | strangers, `maxclients`, buffers that grow too far, HTTP |
//! | [`process`] | start, log, signals, exit codes, sockets, `CONFIG SET port` |
//! | [`expiry`] | keys end at their deadline, seen or unseen |
//! | [`linear`] | concurrent clients see one order of events |
//! | [`queues`] | so do clients that wait for elements of lists |
//! | [`migrate`] | keys move between two servers, whatever the network and other clients do |
//! | [`peers`] | keys move to real servers and back |
//! | [`snapshots`] | what is saved is of one moment and comes back |
//! | [`scripts`] | scripts end when they are told to, and are atomic |
//! | [`streams`] | whatever comes in, the server lives and answers in step |
//! | [`tls`] | encrypted clients, their certificates and ours |
//! | [`transactions`] | nobody sees half of one, and WATCH loses nothing |
//! | [`waiting`] | requests that wait are served once, in order, and before the reply to their cause |
//!
//! Nothing here waits for a fixed time: what can't be had from a clock that the test moves is polled with a deadline.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails.

mod advisories;
#[path = "../cgroup/mod.rs"]
mod cgroup;
mod checker;
mod clients;
mod container;
mod expiry;
mod files;
mod filled;
mod guards;
mod limits;
mod linear;
mod memory;
mod migrate;
#[path = "../wire/mutated.rs"]
mod mutated;
mod peers;
mod process;
mod protocol;
mod pubsub;
mod queues;
mod replies;
mod scripts;
mod snapshots;
mod streams;
mod support;
mod tls;
mod transactions;
mod users;
mod waiting;
#[path = "../wire/mod.rs"]
mod wire;

#[global_allocator]
static ALLOCATOR: ochre::alloc::CountingJemalloc = ochre::alloc::CountingJemalloc;
