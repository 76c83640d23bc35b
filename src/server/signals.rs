//! SIGTERM and SIGINT: the first one ends the server in order, the second one at once.
//!
//! Handlers are installed explicitly, so that the server also ends as process 1 of a container, where the kernel
//! has no defaults.

use tokio::signal::unix::{SignalKind, signal};

use crate::dispatch::Engine;

/// Returns when the server is to end, by signal or by SHUTDOWN.
pub async fn until_shutdown(engine: &Engine) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("Signals can't be handled; only SHUTDOWN ends this server in order");
        engine.lifecycle.requested().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("Received SIGTERM, shutting down"),
        _ = interrupt.recv() => tracing::info!("Received SIGINT, shutting down"),
        _ = engine.lifecycle.requested() => tracing::info!("User requested shutdown"),
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("Second signal, exiting at once");
        std::process::exit(1);
    });
}
