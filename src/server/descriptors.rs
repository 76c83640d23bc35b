//! How many clients the process may have descriptors for.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::dispatch::Engine;

/// Descriptors that the server needs beside its clients.
const OWN_DESCRIPTORS: u64 = 32;

/// Too few descriptors for the clients that were asked for.
pub(super) struct TooFew {
    /// How many can be open.
    descriptors: u64,
    /// The clients that these are enough for.
    pub clients: u64,
}

/// Raises the limit of descriptors, if need be, until it is enough for so many clients.
///
/// # Errors
/// What is possible, which the limit now is.
pub(super) fn make_room(clients: u32) -> Result<(), TooFew> {
    let wanted = u64::from(clients) + OWN_DESCRIPTORS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    limit.current = Some(possible);
    if setrlimit(Resource::Nofile, limit).is_ok() && possible >= wanted {
        return Ok(());
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(possible);
    Err(TooFew { descriptors, clients: descriptors.saturating_sub(OWN_DESCRIPTORS).max(1) })
}

/// Makes room for `maxclients`, or lowers `maxclients` to the room there is.
pub(super) fn fit_clients(engine: &Engine) {
    let Err(TooFew { descriptors, clients }) = make_room(engine.config.snapshot().maxclients) else { return };
    tracing::warn!("Only {descriptors} descriptors can be open, so maxclients is set to {clients}");
    if let Err(error) = engine.config.derive("maxclients", &[clients.to_string().as_bytes()]) {
        tracing::warn!("maxclients could not be lowered: {error}");
    }
}
