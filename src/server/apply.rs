//! Options that change something above the dispatcher when CONFIG SET sets them.

use std::sync::Arc;
use std::sync::mpsc::channel;

use tokio::sync::mpsc::UnboundedSender;

use super::Rebind;
use super::boot::{access_clock, format, level};
use super::oom_score;
use crate::config::{AclPubsubDefault, Config, OptionSpec, Secret};
use crate::dispatch::Engine;
use crate::net::listener::bind_tcp;
use crate::observe::log::LogHandle;
use crate::persist::aof::Aof;

/// Installs the hook of CONFIG SET. `log` is `None` where somebody else owns the process's log.
pub fn install(engine: &Arc<Engine>, log: Option<LogHandle>, rebinds: UnboundedSender<Rebind>) {
    // Weak, because the engine owns the hook.
    let weak = Arc::downgrade(engine);
    let apply = move |old: &Config, new: &Config, changed: &[&'static OptionSpec]| {
        let Some(engine) = weak.upgrade() else { return Ok(()) };
        if changed.iter().any(|option| matches!(option.name, "bind" | "port")) {
            rebind(old, new, &rebinds)?;
        }
        if changed.iter().any(|option| option.name == "dir") {
            std::env::set_current_dir(&new.dir).map_err(|error| ("dir", error.to_string()))?;
        }
        if let Some(option) = changed.iter().find(|option| option.name.starts_with("oom-score-adj")) {
            oom_score::apply(new).map_err(|error| (option.name, error))?;
        }
        if let Some(log) = &log {
            if old.logfile != new.logfile {
                log.set_file(new.logfile.as_deref()).map_err(|error| ("logfile", error.to_string()))?;
            }
            log.set_format(format(new.log_format));
            log.set_level(level(new.loglevel));
        }
        if let Some(aof) = engine.parts.find::<Aof>()
            && changed.iter().any(|option| option.name.contains("append") || option.name.contains("aof"))
        {
            aof.configure(&engine, new);
        }
        if changed.iter().any(|option| option.name == "requirepass") {
            engine.acl.set_default_password(new.requirepass.as_ref().map(Secret::expose));
        }
        engine.acl.set_pubsub_default(new.acl_pubsub_default == AclPubsubDefault::Allchannels);
        engine.notify(new.notify_keyspace_events);
        engine.keyspace.set_access_clock(access_clock(new));
        engine.slowlog.set_max_len(usize::try_from(new.slowlog_max_len).unwrap_or(usize::MAX));
        Ok(())
    };
    *engine.apply_config.lock() = Some(Box::new(apply));
}

/// Closes the TCP sockets and opens those of `new`; when that fails those of `old` are opened again.
fn rebind(
    old: &Config,
    new: &Config,
    rebinds: &UnboundedSender<Rebind>,
) -> Result<(), (&'static str, String)> {
    let option = if old.port == new.port { "bind" } else { "port" };
    let failed = || (option, "Unable to listen on this port. Check server logs.".to_owned());
    let failed = || {
        if option == "bind" {
            (option, "Failed to bind to specified addresses.".to_owned())
        } else {
            failed()
        }
    };
    let (old, new) = (old.clone(), new.clone());
    let (answer, answered) = channel();
    let bind = Box::new(move || match bind_tcp(&new) {
        Ok(bound) => {
            let _ = answer.send(true);
            bound
        }
        Err(error) => {
            tracing::warn!("{error}");
            let again = bind_tcp(&old).unwrap_or_else(|error| {
                tracing::error!("{error}: no TCP client can connect until CONFIG SET changes port or bind");
                Vec::new()
            });
            // Last, so that whoever hears of the failure finds the server where it was.
            let _ = answer.send(false);
            again
        }
    });
    rebinds.send(Rebind { bind }).map_err(|_| failed())?;
    if answered.recv().unwrap_or(false) { Ok(()) } else { Err(failed()) }
}
