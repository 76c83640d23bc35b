//! Sections server and cpu.

use super::facts::{Facts, cpu_time};
use super::say;
use crate::REDIS_VERSION;
use crate::base::clock::Clock;
use crate::keyspace::access::lru_seconds;
use crate::observe::info::{Emitter, Field, Value};

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let (engine, config) = (facts.engine, &facts.config);
    let identity = &engine.identity;
    let uptime_s = engine.uptime_seconds();
    let system = rustix::system::uname();
    let [os, release, machine] =
        [system.sysname(), system.release(), system.machine()].map(|text| text.to_string_lossy());
    let os = format!("{os} {release} {machine}");
    let file = engine.config.config_file().map_or_else(String::new, |path| path.display().to_string());
    say(
        out,
        &[
            (
                Field::info("redis_version", "Version of Redis whose behaviour this server has"),
                Value::Text(REDIS_VERSION),
            ),
            (Field::info("server_name", "Name of this server"), Value::Text("ochre")),
            (Field::info("ochre_version", "Version of this server"), Value::Text(env!("CARGO_PKG_VERSION"))),
            (Field::info("redis_git_sha1", "Not known"), Value::Text("00000000")),
            (Field::info("redis_git_dirty", "Not known"), Value::Uint(0)),
            (Field::info("redis_mode", "standalone: no cluster, no sentinel"), Value::Text("standalone")),
            (Field::info("os", "Operating system"), Value::Text(&os)),
            (Field::info("arch_bits", "Size of a pointer in bits"), Value::Uint(u64::from(usize::BITS))),
            (Field::info("monotonic_clock", "Source of durations"), Value::Text("POSIX clock_gettime")),
            (Field::info("multiplexing_api", "How sockets are waited for"), Value::Text("epoll")),
            (Field::info("process_id", "Number of the process"), Value::Uint(u64::from(std::process::id()))),
            (Field::info("process_supervised", "Supervisor that was told of the start"), Value::Text("no")),
            (Field::info("run_id", "New at every start"), Value::Text(&identity.run_id)),
            (
                Field::info("tcp_port", "Port for connections, those without TLS if there is one"),
                Value::Uint(u64::from(if config.port == 0 { config.tls_port } else { config.port })),
            ),
            (Field::info("server_time_usec", "Unix time in microseconds"), Value::Uint(engine.time.now_us())),
            (Field::gauge("uptime_in_seconds", "Seconds since the start"), Value::Uint(uptime_s)),
            (Field::info("uptime_in_days", "Whole days since the start"), Value::Uint(uptime_s / 86_400)),
            (Field::info("hz", "Rounds of chores per second"), Value::Uint(10)),
            (Field::info("configured_hz", "The option hz"), Value::Uint(u64::from(config.hz))),
            (
                Field::info("lru_clock", "Clock of access times"),
                Value::Uint(u64::from(lru_seconds(facts.now))),
            ),
            (Field::info("executable", "Path of the program"), Value::Text(&identity.executable)),
            (Field::info("config_file", "Path of the configuration file"), Value::Text(&file)),
            (
                Field::info("io_threads_active", "Whether several threads serve connections"),
                Value::Uint(u64::from(engine.workers > 1)),
            ),
        ],
    );
    emit_listeners(facts, out);
}

/// `listener0:name=tcp,bind=127.0.0.1,port=6379`.
fn emit_listeners(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let config = &facts.config;
    let addresses: Vec<String> = config.bind.iter().map(|address| format!("bind={address}")).collect();
    let named = |name: &str, port: u16| {
        (port != 0).then(|| format!("name={name},{},port={port}", addresses.join(",")))
    };
    let (tcp, tls) = (named("tcp", config.port), named("tls", config.tls_port));
    let unix = config.unixsocket.as_ref().map(|path| format!("name=unix,bind={}", path.display()));
    const NAMES: [Field; 3] = [
        Field::info("listener0", "An open listener"),
        Field::info("listener1", "An open listener"),
        Field::info("listener2", "An open listener"),
    ];
    for (field, text) in NAMES.iter().zip([tcp, unix, tls].into_iter().flatten()) {
        out.field(field, Value::Text(&text));
    }
}

pub(super) fn emit_cpu(_: &Facts<'_>, out: &mut dyn Emitter) {
    let process = cpu_time("/proc/self/stat");
    let main = cpu_time(&format!("/proc/self/task/{}/stat", std::process::id()));
    let seconds = |value| Value::Float { value, decimals: 6 };
    say(
        out,
        &[
            (Field::counter("used_cpu_sys", "Processor seconds in the kernel"), seconds(process.system)),
            (Field::counter("used_cpu_user", "Processor seconds outside the kernel"), seconds(process.user)),
            (
                Field::counter("used_cpu_sys_children", "The same, of child processes"),
                seconds(process.children_system),
            ),
            (
                Field::counter("used_cpu_user_children", "The same, of child processes"),
                seconds(process.children_user),
            ),
            (
                Field::counter("used_cpu_sys_main_thread", "The same, of the main thread"),
                seconds(main.system),
            ),
            (Field::counter("used_cpu_user_main_thread", "The same, of the main thread"), seconds(main.user)),
        ],
    );
}
