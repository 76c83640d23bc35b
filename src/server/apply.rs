//! Options that change something above the dispatcher when CONFIG SET sets them.

use std::sync::Arc;
use std::sync::mpsc::channel;

use tokio::sync::mpsc::UnboundedSender;

use super::Rebind;
use super::boot::{access_clock, format, level};
use super::{descriptors, oom_score};
use crate::config::{AclPubsubDefault, Config, OptionSpec, Secret, Topic};
use crate::dispatch::Engine;
use crate::dispatch::memory::evict_clients;
use crate::net::listener::bind_tcp;
use crate::net::tls::{Draft, Tls};
use crate::observe::log::LogHandle;
use crate::persist::aof::Aof;

/// Installs the hook of CONFIG SET. `log` is `None` where somebody else owns the process's log.
pub fn install(engine: &Arc<Engine>, log: Option<LogHandle>, rebinds: UnboundedSender<Rebind>) {
    // Weak, because the engine owns the hook.
    let weak = Arc::downgrade(engine);
    let apply = move |old: &Config, new: &Config, changed: &[&'static OptionSpec]| {
        let Some(engine) = weak.upgrade() else { return Ok(()) };
        if new.maxclients > old.maxclients {
            descriptors::make_room(new.maxclients).map_err(|possible| {
                let text =
                    "The operating system is not able to handle the specified number of clients, try with";
                ("maxclients", format!("{text} {}", possible.clients))
            })?;
        }
        let draft = tls_draft(&engine, new, changed)?;
        take_steps(&steps(&log, &rebinds, changed), old, new)?;
        if let (Some(tls), Some(draft)) = (engine.parts.find::<Tls>(), draft) {
            tls.adopt(new, draft);
        }
        if let Some(log) = &log {
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
        if changed.iter().any(|option| option.name.starts_with("maxmemory")) {
            warn_of_small_limit(&engine, old, new);
            // Who is over the new limit is gone when the reply comes.
            evict_clients(&engine, new, engine.stats.worker(engine.workers));
            engine.eviction.look_at_pages(&engine, new);
        }
        engine.acl.set_pubsub_default(new.acl_pubsub_default == AclPubsubDefault::Allchannels);
        engine.notify(new.notify_keyspace_events);
        engine.keyspace.set_access_clock(access_clock(new));
        engine.slowlog.set_max_len(usize::try_from(new.slowlog_max_len).unwrap_or(usize::MAX));
        Ok(())
    };
    *engine.apply_config.lock() = Some(Box::new(apply));
}

/// Why an option can't be set: its name, and the reason.
type Refusal = (&'static str, String);

/// Takes the process from one configuration to another; taken the other way round it leads back.
type Step<'s> = Box<dyn Fn(&Config, &Config) -> Result<(), Refusal> + 's>;

/// What the system may refuse though the values are sound.
fn steps<'s>(
    log: &'s Option<LogHandle>,
    rebinds: &'s UnboundedSender<Rebind>,
    changed: &[&'static OptionSpec],
) -> Vec<Step<'s>> {
    let find =
        |is_meant: fn(&str) -> bool| changed.iter().map(|option| option.name).find(|name| is_meant(name));
    let mut steps: Vec<Step<'s>> = Vec::new();
    if find(|name| matches!(name, "bind" | "port" | "tls-port")).is_some() {
        steps.push(Box::new(|from, to| rebind(from, to, rebinds)));
    }
    if let Some(name) = find(|name| name == "dir") {
        steps.push(Box::new(move |_, to| {
            std::env::set_current_dir(&to.dir).map_err(|error| (name, error.to_string()))
        }));
    }
    if let Some(name) = find(|name| name.starts_with("oom-score-adj")) {
        steps.push(Box::new(move |_, to| oom_score::apply(to).map_err(|error| (name, error))));
    }
    if let (Some(log), Some(name)) = (log, find(|name| name == "logfile")) {
        steps.push(Box::new(move |_, to| {
            log.set_file(to.logfile.as_deref()).map_err(|error| (name, error.to_string()))
        }));
    }
    steps
}

/// Takes all steps, or none: before one that fails those that were taken are taken back, the last first.
fn take_steps(steps: &[Step<'_>], old: &Config, new: &Config) -> Result<(), Refusal> {
    for (index, step) in steps.iter().enumerate() {
        if let Err(refusal) = step(old, new) {
            for taken in steps.iter().take(index).rev() {
                if let Err((name, reason)) = taken(new, old) {
                    tracing::error!("CONFIG SET failed and '{name}' can't be put back: {reason}");
                }
            }
            return Err(refusal);
        }
    }
    Ok(())
}

/// Says what becomes of data that is more than the new `maxmemory`.
fn warn_of_small_limit(engine: &Engine, old: &Config, new: &Config) {
    let used = engine.used_memory() as u64;
    if new.maxmemory > 0 && new.maxmemory != old.maxmemory && new.maxmemory < used {
        tracing::warn!(
            "maxmemory is now {}, but {used} bytes are used: keys will be evicted, or writes refused, as maxmemory-policy \
             says",
            new.maxmemory
        );
    }
}

/// What TLS would be served with; `None` when no option of TLS was set.
fn tls_draft(
    engine: &Engine,
    new: &Config,
    changed: &[&'static OptionSpec],
) -> Result<Option<Option<Draft>>, Refusal> {
    let Some(option) = changed.iter().find(|option| option.topic == Topic::Tls) else { return Ok(None) };
    let Some(tls) = engine.parts.find::<Tls>() else { return Ok(None) };
    tls.draft(new).map(Some).map_err(|error| {
        tracing::warn!("Unable to update TLS configuration: {error}");
        (option.name, format!("Unable to update TLS configuration. Check server logs. ({error})"))
    })
}

/// Closes the TCP sockets and opens those of `new`; when that fails those of `old` are opened again.
fn rebind(old: &Config, new: &Config, rebinds: &UnboundedSender<Rebind>) -> Result<(), Refusal> {
    let option = match (old.port == new.port, old.tls_port == new.tls_port) {
        (true, true) => "bind",
        (true, false) => "tls-port",
        (false, _) => "port",
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::config::{Caller, Startup, Store};
    use crate::server::boot;

    #[test]
    fn pages_are_looked_at_from_the_moment_that_keys_may_go() {
        let store = Store::load(Startup::default()).unwrap();
        let engine = boot::engine(store, Time::system()).unwrap();
        install(&engine, None, tokio::sync::mpsc::unbounded_channel().0);
        // As ten times a second: there is no limit yet.
        engine.eviction.look_at_pages(&engine, &engine.config.snapshot());
        assert_eq!(engine.eviction.reserve.looked_ahead(), u64::MAX);
        let limit = engine.used_memory() as u64 + (1 << 30);
        let words = [("maxmemory", limit.to_string()), ("maxmemory-policy", "allkeys-lru".into())];
        let pairs: Vec<_> = words.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let apply = |old: &Config, new: &Config, changed: &[_]| {
            engine.apply_config.lock().as_ref().map_or(Ok(()), |apply| apply(old, new, changed))
        };
        engine.config.set(&pairs, Caller::Local, apply).unwrap();
        // Whoever fills it within a tenth of a second comes by before it is full.
        assert!(engine.eviction.reserve.looked_ahead() < limit);
    }
}
