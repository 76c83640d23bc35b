//! SIGTERM and SIGINT: the first one ends the server in order, as `shutdown-on-sigterm` and `shutdown-on-sigint` say; a second
//! SIGINT does not wait for the save, and behind that either of them ends the process at once.
//!
//! Handlers are installed explicitly, so that the server also ends as process 1 of a container, where the kernel
//! has no defaults.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::ShutdownFlags;
use crate::dispatch::Engine;
use crate::dispatch::engine::ShutdownRequest;

/// Who wants the server to end, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SHUTDOWN.
    Command(ShutdownRequest),
    /// A signal of that name, with what `shutdown-on-sigterm` or `shutdown-on-sigint` says to it.
    Signal(&'static str, ShutdownRequest),
}

fn request_of(flags: ShutdownFlags) -> ShutdownRequest {
    let ShutdownFlags { save, nosave, now, force } = flags;
    ShutdownRequest { save: if save == nosave { None } else { Some(save) }, now, force }
}

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

    /// Returns when the server is to end, and who wants it.
    pub async fn until_shutdown(&mut self, engine: &Engine) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => {
                tracing::info!("Received SIGTERM, shutting down");
                Asked::Signal("SIGTERM", request_of(engine.config.snapshot().shutdown_on_sigterm))
            }
            _ = self.interrupt.recv() => {
                tracing::info!("Received SIGINT, shutting down");
                Asked::Signal("SIGINT", request_of(engine.config.snapshot().shutdown_on_sigint))
            }
            request = engine.lifecycle.requested() => {
                tracing::info!("User requested shutdown");
                Asked::Command(request)
            }
        }
    }

    /// Somebody at a keyboard does not want to wait for the save. SIGTERM has patience: who sends it twice may be a machine.
    pub async fn interrupted_again(&mut self) {
        self.interrupt.recv().await;
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
