//! SIGTERM and SIGINT: the first one ends the server in order, the second one at once.
//!
//! Handlers are installed explicitly, so that the server also ends as process 1 of a container, where the kernel
//! has no defaults.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::dispatch::Engine;
use crate::dispatch::engine::ShutdownRequest;

/// The signals that end the server.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. To be called before anybody is told that the server is ready: a signal that comes
    /// earlier ends the process the kernel's way.
    pub fn install() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns when the server is to end, by signal or by SHUTDOWN, whose request is returned.
    pub async fn until_shutdown(&mut self, engine: &Engine) -> Option<ShutdownRequest> {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("Received SIGTERM, shutting down"),
            _ = self.interrupt.recv() => tracing::info!("Received SIGINT, shutting down"),
            request = engine.lifecycle.requested() => {
                tracing::info!("User requested shutdown");
                return Some(request);
            }
        }
        None
    }

    /// The next signal ends the process at once.
    pub fn exit_on_next(self) {
        let Signals { mut terminate, mut interrupt } = self;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("Second signal, exiting at once");
            std::process::exit(1);
        });
    }
}
