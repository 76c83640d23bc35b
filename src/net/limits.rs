//! When a client is cut off: one that does not read, one that dribbles, one that does not say who it is.

use std::sync::atomic::Ordering;

use crate::config::{Config, OutputLimit};
use crate::dispatch::memory::clients_limit;
use crate::session::{Client, ClientKind};

/// What a client without a password may leave unread, in bytes.
const UNAUTHENTICATED_OUTPUT_MAX_BYTES: u64 = 1024;

/// Who sends a request slower than this does it to keep the connection busy.
const REQUEST_MIN_BYTES_PER_SECOND: u64 = 128;

/// The limit for a client's class.
fn limit_for(config: &Config, kind: ClientKind) -> OutputLimit {
    let limits = &config.client_output_buffer_limit;
    match kind {
        ClientKind::Normal => limits.normal,
        ClientKind::Replica | ClientKind::Master => limits.replica,
        ClientKind::PubSub => limits.pubsub,
    }
}

/// As [`production_max`], for a client that is no subscriber and may be evicted, as nearly all are.
pub fn usual_production_max(config: &Config) -> usize {
    least_of(config.client_output_buffer_limit.normal.hard, clients_limit(config))
}

/// What may be produced for a client before any of it is sent, in bytes: no more than its class may leave unsent, and no more than
/// all clients may have together (`maxmemory-clients`). Who has more than that is evicted, but the reply would be there first: two
/// of 40 MB were more than a container had left beside 100 MB of data.
pub fn production_max(config: &Config, client: &Client) -> usize {
    let all = clients_limit(config).filter(|_| !client.is_no_evict());
    least_of(limit_for(config, client.kind()).hard, all)
}

fn least_of(hard: u64, all: Option<u64>) -> usize {
    let class = Some(hard).filter(|hard| *hard > 0);
    let least = class.into_iter().chain(all).min();
    least.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Whether a request dribbles in: it began `timeout_seconds` ago or more, and since then less than [`REQUEST_MIN_BYTES_PER_SECOND`]
/// came. A client that is merely slow sends more than that, one that idles has begun nothing.
pub fn is_dribbling(timeout_seconds: u32, client: &Client, now_us: u64) -> bool {
    let usage = &client.usage;
    let began_us = usage.request_began_us.load(Ordering::Relaxed);
    if began_us == 0 || timeout_seconds == 0 {
        return false;
    }
    let seconds = now_us.saturating_sub(began_us) / 1_000_000;
    let came = usage.net_input_bytes.load(Ordering::Relaxed) - usage.request_began_at.load(Ordering::Relaxed);
    seconds >= u64::from(timeout_seconds) && came < seconds * REQUEST_MIN_BYTES_PER_SECOND
}

/// Whether a stranger had its time to say who it is.
pub fn is_stranger_overdue(timeout_seconds: u32, client: &Client, now_us: u64) -> bool {
    let since_us = client.stranger_since_us();
    timeout_seconds > 0
        && since_us
            .is_some_and(|since_us| now_us.saturating_sub(since_us) >= u64::from(timeout_seconds) * 1_000_000)
}

/// Whether `unsent` bytes are too many now. Keeps the time since when the soft limit is passed.
pub fn is_over(config: &Config, client: &Client, authenticated: bool, unsent: usize, now_us: u64) -> bool {
    let unsent = unsent as u64;
    if !authenticated && unsent > UNAUTHENTICATED_OUTPUT_MAX_BYTES {
        return true;
    }
    let limit = limit_for(config, client.kind());
    if limit.hard > 0 && unsent > limit.hard {
        return true;
    }
    let since = &client.usage.over_soft_since_us;
    if limit.soft == 0 || unsent <= limit.soft {
        since.store(0, Ordering::Relaxed);
        return false;
    }
    let over_since = since.load(Ordering::Relaxed);
    if over_since == 0 {
        since.store(now_us.max(1), Ordering::Relaxed);
        return false;
    }
    now_us.saturating_sub(over_since) > limit.soft_seconds.saturating_mul(1_000_000)
}
