//! `client-output-buffer-limit`: when a client that does not read is cut off.

use std::sync::atomic::Ordering;

use crate::config::{Config, OutputLimit};
use crate::session::{Client, ClientKind};

/// What a client without a password may leave unread, in bytes.
const UNAUTHENTICATED_OUTPUT_MAX_BYTES: u64 = 1024;

/// The limit for a client's class.
fn limit_for(config: &Config, kind: ClientKind) -> OutputLimit {
    let limits = &config.client_output_buffer_limit;
    match kind {
        ClientKind::Normal => limits.normal,
        ClientKind::Replica | ClientKind::Master => limits.replica,
        ClientKind::PubSub => limits.pubsub,
    }
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
