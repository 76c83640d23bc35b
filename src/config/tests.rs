//! Tests of the module as a whole, against facts asked from a Redis 8.0.6 server: defaults, CONFIG's answers and errors,
//! the errors of files and arguments, the file after CONFIG REWRITE.

use crate::base::words::split_args;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;

use super::load::load;
use super::table::IN_VALKEY;
use super::*;

fn from_text(text: &str) -> Result<Store, ConfigError> {
    Store::load(Startup { stdin: Stdin::Text(text.into()), ..Startup::default() })
}

fn store(text: &str) -> Store {
    from_text(text).unwrap()
}

fn from_args(args: &[&str]) -> Result<Store, ConfigError> {
    Store::load(Startup::from_args(args.iter().map(OsString::from))?)
}

fn get(store: &Store, name: &str) -> String {
    let found = store.get(&[name.as_bytes()]);
    let values: Vec<String> =
        found.into_iter().map(|(_, value)| String::from_utf8_lossy(&value).into_owned()).collect();
    values.join("|")
}

fn names(store: &Store, patterns: &[&str]) -> Vec<String> {
    let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    store.get(&patterns).into_iter().map(|(name, _)| name).collect()
}

fn set(store: &Store, pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<(&[u8], &[u8])> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    store.set(&pairs, Caller::Local, |_, _, _| Ok(())).map_err(|error| error.to_string())
}

/// What CONFIG SET makes of a value: `Ok` with what CONFIG GET then shows, or the reason behind the dash.
fn try_set(store: &Store, name: &str, value: &str) -> Result<String, String> {
    set(store, &[(name, value)]).map(|()| get(store, name)).map_err(|error| {
        let lead = format!("CONFIG SET failed (possibly related to argument '{name}') - ");
        error.strip_prefix(&lead).expect(&error).to_owned()
    })
}

/// Options whose default differs from Redis's, with the reason.
const OTHER_DEFAULTS: [(&str, &str); 3] = [
    ("dir", "printed as the absolute working directory, as Redis does when asked by itself"),
    ("io-threads", "0 takes as many workers as there are processors"),
    (
        "maxmemory-clients",
        "clients have a budget of their own where there is a limit, so that they push out no data",
    ),
];

#[test]
fn every_option_of_redis_has_its_default() {
    let facts: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../tests/data/config-redis-8.0.json")).unwrap();
    assert_eq!(facts.len(), 203);
    let store = store("");
    for (name, value) in &facts {
        // The server that was asked ran in the background.
        let value = if name == "daemonize" { "no" } else { value };
        if !OTHER_DEFAULTS.iter().any(|(other, _)| other == name) {
            assert_eq!(store.get(&[name.as_bytes()]), [(name.clone(), value.as_bytes().to_vec())], "{name}");
        }
    }
    let own: Vec<String> =
        names(&store, &["*"]).into_iter().filter(|name| !facts.contains_key(name)).collect();
    let expected = [
        "request-timeout",
        "authentication-timeout",
        "unauthenticated-memory-limit",
        "tls-auto",
        "tls-auth-clients-user",
        "rdb-save-version",
        "rdb-skip-module-data",
        "aof-load-corrupt-tail-max-size",
        "aof-checksum",
        "log-format",
        "lua-memory-limit",
    ];
    assert_eq!(own, expected);
    assert_eq!(get(&store, "dir"), std::env::current_dir().unwrap().to_str().unwrap());
    assert_eq!(store.snapshot().port, 6379);
    assert_eq!(store.snapshot().bind, ["*", "-::*"]);
    assert_eq!(store.snapshot().save[0], SavePoint { seconds: 3600, changes: 1 });
}

#[test]
fn the_table_is_consistent() {
    let mut known = Vec::new();
    for (index, spec) in OPTIONS.iter().enumerate() {
        assert_eq!(spec.index, index);
        for name in spec.names() {
            assert!(!known.contains(&name), "{name} twice");
            assert_eq!(name, name.to_ascii_lowercase());
            known.push(name);
        }
        if spec.name != "dir" && spec.name != "replicaof" {
            let context = Context { value: spec.default.as_bytes(), loading: false, first: false };
            let words: Vec<&[u8]> = match spec.kind.takes_many() {
                true => special::cut_at_blanks(spec.default.as_bytes()),
                false => vec![spec.default.as_bytes()],
            };
            let canonical = spec.kind.canonical(&words, context);
            assert_eq!(canonical, Ok(spec.default.as_bytes().to_vec()), "{}", spec.name);
        }
        assert!(spec.doc.trim_end().ends_with('.'), "{}", spec.name);
    }
}

#[test]
fn get_answers_names_as_asked_and_each_once() {
    let store = store("");
    assert_eq!(names(&store, &["*z", "hz", "HZ"]), ["hz", "dynamic-hz"]);
    assert_eq!(names(&store, &["HZ", "hz"]), ["HZ"]);
    assert_eq!(names(&store, &["Slave-Priority"]), ["Slave-Priority"]);
    assert_eq!(names(&store, &["slave-priori*"]), ["slave-priority"]);
    assert_eq!(names(&store, &["*-priority"]), ["replica-priority", "slave-priority"]);
    assert_eq!(
        names(&store, &["slave-priority", "replica-priority"]),
        ["slave-priority", "replica-priority"]
    );
    assert_eq!(names(&store, &["*MAX-*PACK*"]).len(), 7);
    assert_eq!(names(&store, &["no-such", "\\hz", "list-max-ziplist-entries"]), [""; 0]);
    assert_eq!(names(&store, &["rdb-key-save-delay"]), ["rdb-key-save-delay"]);
    assert!(!names(&store, &["*"]).contains(&"rdb-key-save-delay".to_owned()));
}

#[test]
fn set_refuses_in_the_words_of_redis() {
    let store = store("");
    let failed = |name: &str, reason: &str| {
        Err(format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
    };
    let unknown =
        |name: &str| Err(format!("Unknown option or number of arguments for CONFIG SET - '{name}'"));
    assert_eq!(set(&store, &[("hz", "20"), ("nope", "1")]), unknown("nope"));
    assert_eq!(set(&store, &[("", "1")]), unknown(""));
    assert_eq!(set(&store, &[("nope", "1"), ("nope2", "1")]), unknown("nope"));
    assert_eq!(set(&store, &[("HZ", "20"), ("hz", "30")]), failed("hz", "duplicate parameter"));
    assert_eq!(set(&store, &[("hz", "20"), ("hz", "x")]), failed("hz", "duplicate parameter"));
    let immutable = "can't set immutable config";
    assert_eq!(set(&store, &[("daemonize", "no")]), failed("daemonize", immutable));
    assert_eq!(set(&store, &[("daemonize", "no"), ("nope", "1")]), failed("daemonize", immutable));
    assert_eq!(set(&store, &[("port", "x"), ("daemonize", "no")]), failed("daemonize", immutable));
    let protected = "can't set protected config";
    assert_eq!(set(&store, &[("dir", "/tmp"), ("daemonize", "no")]), failed("dir", protected));
    let number = "argument couldn't be parsed into an integer";
    assert_eq!(set(&store, &[("SLAVE-PRIORITY", "x")]), failed("slave-priority", number));
    assert_eq!(set(&store, &[("hz", "20"), ("maxclients", "xx")]), failed("maxclients", number));
    let range = "argument must be between 0 and 65535 inclusive";
    assert_eq!(set(&store, &[("port", "65536")]), failed("port", range));
    assert_eq!((get(&store, "hz"), store.version()), ("10".into(), 1));
    set(&store, &[("slave-priority", "20"), ("replica-priority", "30")]).unwrap();
    assert_eq!((get(&store, "slave-priority"), store.version()), ("30".into(), 2));
}

#[test]
fn protected_options_open_for_those_who_may() {
    let set_name = |guard: &str, caller| {
        let store = store(&format!("enable-protected-configs {guard}"));
        store.set(&[(b"dbfilename", b"x.rdb")], caller, |_, _, _| Ok(())).is_ok()
    };
    assert!(set_name("yes", Caller::Remote));
    assert!(set_name("local", Caller::Local));
    assert!(!set_name("local", Caller::Remote));
    assert!(!set_name("no", Caller::Local));
}

#[test]
fn a_failing_apply_changes_nothing() {
    let store = store("");
    let pairs: &[(&[u8], &[u8])] = &[(b"hz", b"50"), (b"port", b"7000"), (b"timeout", b"0")];
    let result = store.set(pairs, Caller::Local, |old, new, changed| {
        assert_eq!((old.port, new.port), (6379, 7000));
        assert_eq!(changed.iter().map(|spec| spec.name).collect::<Vec<_>>(), ["hz", "port"]);
        Err(("port", "Unable to listen on this port. Check server logs.".to_owned()))
    });
    let text = "CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.";
    assert_eq!(result.unwrap_err().to_string(), text);
    assert_eq!(
        (get(&store, "port"), get(&store, "hz"), store.snapshot().port),
        ("6379".into(), "10".into(), 6379)
    );
    assert_eq!(store.version(), 1);
}

#[test]
fn values_become_what_redis_prints() {
    let store = store("");
    let shown: &[(&str, &str, &str)] = &[
        ("save", "", ""),
        ("save", "60 1 60 1", "60 1 60 1"),
        ("save", "1 0", "1 0"),
        ("maxmemory", "100mb", "104857600"),
        ("maxmemory", "", "0"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "0%", "0"),
        ("maxmemory-clients", "1k", "1000"),
        ("hz", "0", "1"),
        ("hz", "1000", "500"),
        ("repl-backlog-size", "1", "16384"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "KEAnm", "AKEm"),
        ("notify-keyspace-events", "Kg$lshzxetdmn", "AKm"),
        ("notify-keyspace-events", "Kn", "nK"),
        ("notify-keyspace-events", "E$", "$E"),
        ("notify-keyspace-events", "KEg$lshzxet", "g$lshzxetKE"),
        ("notify-keyspace-events", "", ""),
        (
            "client-output-buffer-limit",
            "",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
        (
            "client-output-buffer-limit",
            "NORMAL 1 2 3 pubsub 4 5 6 replica 1mb 2kb 3",
            "normal 1 2 3 slave 1048576 2048 3 pubsub 4 5 6",
        ),
        ("oom-score-adj-values", "800 200 0", "800 200 0"),
        ("oom-score-adj", "relative", "yes"),
        ("shutdown-on-sigterm", "nosave force now", "nosave now force"),
        ("shutdown-on-sigterm", "default SAVE", "save"),
        ("shutdown-on-sigterm", "default", "default"),
        ("latency-tracking-info-percentiles", "50.123456789 1e1 0x10 100.0", "50.123457 10 16 100"),
        ("latency-tracking-info-percentiles", "", ""),
        ("loglevel", "Verbose", "verbose"),
        ("stop-writes-on-bgsave-error", "NO", "no"),
        ("requirepass", "a b\n", "a b\n"),
        ("proc-title-template", "{title} {port}", "{title} {port}"),
        ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
        ("list-max-listpack-size", "-2147483648", "-2147483648"),
    ];
    for (name, value, canonical) in shown {
        assert_eq!(try_set(&store, name, value).as_deref(), Ok(*canonical), "{name} {value:?}");
    }
}

#[test]
fn values_are_refused_as_redis_refuses_them() {
    let store = store("");
    let integer = "argument couldn't be parsed into an integer";
    let save = "Invalid save parameters";
    let percent = "argument must be a memory or percent value";
    let limits = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    let limit_words = "Wrong number of arguments in buffer limit configuration.";
    let oom = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    let template = "template format is invalid or contains unknown variables";
    let shutdown = "argument(s) must be one of the following: default, save, nosave, now, force";
    let refused: &[(&str, &str, &str)] = &[
        ("save", "1", save),
        ("save", "  1   2  3 4 ", save),
        ("save", "0 1", save),
        ("save", "1 -1", save),
        ("save", "\"\"", save),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory", "5%", "argument must be a memory value"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "-5%", percent),
        ("maxmemory-clients", "05%", percent),
        ("maxmemory-clients", "%", percent),
        ("hz", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("hz", "010", integer),
        ("timeout", "-0", integer),
        ("repl-backlog-size", "0", "argument must be between 1 and 9223372036854775807 inclusive"),
        (
            "client-query-buffer-limit",
            "1",
            "argument must be between 1048576 and 9223372036854775807 inclusive",
        ),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("slowlog-log-slower-than", "-2", "argument must be between -1 and 9223372036854775807 inclusive"),
        ("notify-keyspace-events", "q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("client-output-buffer-limit", "replica", limit_words),
        ("client-output-buffer-limit", "normal  7  8  9", limit_words),
        (
            "client-output-buffer-limit",
            "master 1 2 3",
            "Invalid client class specified in buffer limit configuration.",
        ),
        ("client-output-buffer-limit", "normal 1 2 -1", limits),
        ("client-output-buffer-limit", "normal 1k 1% 0", limits),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        ("oom-score-adj-values", "0 0 2001", oom),
        ("oom-score-adj-values", "a b c", oom),
        (
            "shutdown-on-sigterm",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
        ("shutdown-on-sigterm", "", shutdown),
        ("shutdown-on-sigterm", "save  now", shutdown),
        (
            "latency-tracking-info-percentiles",
            "inf",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        ("latency-tracking-info-percentiles", "nan", "Invalid latency-tracking-info-percentiles parameters"),
        (
            "latency-tracking-info-percentiles",
            "50  60",
            "Invalid latency-tracking-info-percentiles parameters",
        ),
        (
            "loglevel",
            "x",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
        ),
        ("stop-writes-on-bgsave-error", "1", "argument must be 'yes' or 'no'"),
        ("proc-title-template", "{bogus}", template),
        ("proc-title-template", "", template),
        ("proc-title-template", "{title} ", template),
        ("cluster-announce-human-nodename", "a{b", "Announced human node name contained invalid character"),
        ("save", " ", save),
        (
            "cluster-announce-hostname",
            "a_b",
            "Hostnames may only contain alphanumeric characters, hyphens or dots",
        ),
        ("bind", "a a a a a a a a a a a a a a a a a", "Too many bind addresses specified."),
    ];
    for (name, value, reason) in refused {
        assert_eq!(try_set(&store, name, value).unwrap_err(), *reason, "{name} {value:?}");
    }
    assert_eq!(store.version(), 1);
}

#[test]
fn files_add_up_or_the_last_line_wins() {
    let save = |text: &str| get(&store(text), "save");
    assert_eq!(save("save 900 1\nsave 60 5\n"), "900 1 60 5");
    assert_eq!(save("save 900 1\nsave ''\nsave 60 5\n"), "60 5");
    assert_eq!(save("save 900 1\nsave ''"), "");
    assert_eq!(save("save"), "");
    assert_eq!(save("save '900 1 60 5'"), "900 1 60 5");
    let limits = "client-output-buffer-limit";
    let text = format!("{limits} normal 1 2 3\n{limits} 'pubsub 4 5 6'\n{limits} normal 9 9 9\n{limits}");
    assert_eq!(get(&store(&text), limits), "normal 9 9 9 slave 268435456 67108864 60 pubsub 4 5 6");
    let text = "# c\n\n  HZ 20\nmin-slaves-to-write 3\n\thz\t30\r\n'timeout' 7\n\"p\\x6frt\" 5\nreplicaof 127.0.0.1 7000\n\
                user a on >x\nuser b off\nrename-command GET \"\"\nloadmodule /x.so 1\nlist-max-ziplist-entries 5\n\
                unixsocketperm 0700\nmaxmemory-clients 5%\nactivedefrag yes";
    let config = store(text).snapshot();
    assert_eq!((config.hz, config.timeout, config.port, config.min_replicas_to_write), (30, 7, 5, 3));
    assert_eq!(config.replicaof, Some(PrimaryAddress { host: "127.0.0.1".into(), port: 7000 }));
    assert_eq!((config.unixsocketperm, config.activedefrag), (FileMode(0o700), true));
    assert_eq!(config.maxmemory_clients.bytes(1000), 50);
    assert_eq!(config.declarations.users.len(), 2);
    assert_eq!(config.declarations.renamed_commands, [(b"GET".to_vec(), Vec::new())]);
    assert_eq!(config.declarations.modules, [[b"/x.so".to_vec(), b"1".to_vec()]]);
    assert_eq!(store("replicaof no one").snapshot().replicaof, None);
}

/// What a configuration of Valkey 9.1 says as it comes and Redis 8.0 does not know, and what both call differently.
#[test]
fn files_of_valkey_are_read() {
    let text = "rdb-version-check strict\ndual-channel-replication-enabled no\nlog-format legacy\n\
                commandlog-execution-slower-than 7\ncommandlog-slow-execution-max-len 64\n\
                commandlog-request-larger-than 1048576\ncommandlog-large-request-max-len 128\n\
                commandlog-reply-larger-than 1048576\ncommandlog-large-reply-max-len 128\n\
                primaryuser u\nprimaryauth p\nio-threads-do-reads yes";
    let store = store(text);
    let config = store.snapshot();
    assert_eq!((config.slowlog_log_slower_than, config.slowlog_max_len), (7, 64));
    assert_eq!((config.masteruser.as_deref(), config.masterauth.is_some()), (Some("u"), true));
    assert_eq!(config.log_format, LogFormat::Redis);
    assert_eq!(get(&store, "commandlog-slow-execution-max-len"), "64");
    assert_eq!(get(&store, "rdb-version-check"), "strict");
    assert!(names(&store, &["commandlog*", "primary*", "rdma*"]).is_empty());
    for (other, name) in IN_VALKEY {
        assert!(OPTIONS.iter().any(|spec| spec.name == name), "{name}");
        assert!(OPTIONS.iter().all(|spec| spec.names().all(|known| known != other)), "{other}");
    }
}

#[test]
fn errors_name_the_line_and_hide_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.conf");
    let load = |text: &str| {
        fs::write(&file, text).unwrap();
        from_args(&[file.to_str().unwrap()]).err().unwrap().to_string()
    };
    let place = |line: usize| {
        let path = file.display();
        format!(
            "\n*** FATAL CONFIG FILE ERROR (Redis 8.0.6) ***\nReading the configuration file {path}, at line {line}\n"
        )
    };
    let integer = "argument couldn't be parsed into an integer";
    let cases = [
        ("\n# c\n  port \"abc\"", 3, "port \"abc\"", integer),
        ("port \"abc", 1, "port \"abc", "Unbalanced quotes in configuration line"),
        ("hz 10 # c", 1, "hz 10 # c", "wrong number of arguments"),
        ("port", 1, "port", "wrong number of arguments"),
        ("nope 1", 1, "nope 1", "Bad directive or wrong number of arguments"),
        ("include", 1, "include", "Bad directive or wrong number of arguments"),
        ("rename-command get", 1, "rename-command get", "Bad directive or wrong number of arguments"),
        ("lua-replicate-commands", 1, "lua-replicate-commands", "Bad directive or wrong number of arguments"),
        ("sentinel x", 1, "sentinel x", "sentinel directive while not in sentinel mode"),
        ("replicaof h 65536", 1, "replicaof h 65536", "Invalid master port"),
        ("replicaof h", 1, "replicaof h", "wrong number of arguments"),
        ("unixsocketperm 778", 1, "unixsocketperm 778", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1777", 1, "unixsocketperm 1777", "argument must be between 0 and 777 inclusive"),
        ("dir /nonexist", 1, "dir /nonexist", "No such file or directory"),
        ("dbfilename a/b", 1, "dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("appendfilename ''", 1, "appendfilename ''", "appendfilename can't be empty"),
        ("appenddirname a/b", 1, "appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ("requirepass a b", 1, "requirepass (redacted)", "wrong number of arguments"),
        ("'requirepass' \"x", 1, "requirepass (redacted)", "Unbalanced quotes in configuration line"),
        (
            "user a >x\nuser a >y",
            2,
            "user (redacted)",
            "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
        ),
    ];
    for (text, line, shown, reason) in cases {
        assert_eq!(load(text), format!("{}>>> '{shown}'\n{reason}\n", place(line)), "{text}");
    }
    assert!(
        load("cluster-enabled yes\nreplicaof h 1")
            .ends_with("\nreplicaof directive not allowed in cluster mode\n")
    );
    assert!(load("aclfile /x\nuser a on").contains("aclfile"));
    assert_eq!(
        from_args(&["/nonexistent"]).err().unwrap().to_string(),
        "Fatal error, can't open config file '/nonexistent': No such file or directory"
    );
    let arguments = from_args(&["--port", "abc"]).err().unwrap().to_string();
    assert!(
        arguments.ends_with(">>> 'port \"abc\"'\nargument couldn't be parsed into an integer\n"),
        "{arguments}"
    );
    let config = store("requirepass hunter2\nmasterauth hunter2\nuser a >hunter2").snapshot();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.requirepass.as_ref().unwrap().expose(), b"hunter2");
}

#[test]
fn arguments_follow_the_rules_of_redis_server() {
    let words = |args: &[&str]| -> Vec<String> {
        let startup = Startup::from_args(args.iter().map(OsString::from)).unwrap();
        let word = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let line = |words: &Vec<Vec<u8>>| words.iter().map(word).collect::<Vec<_>>().join("|");
        startup.arguments.iter().map(line).collect()
    };
    assert_eq!(words(&["--port", "0"]), ["port|0"]);
    assert_eq!(words(&["--port", "--hz", "10"]), ["port|--hz|10"]);
    assert_eq!(words(&["--save", "--port", "1"]), ["save|", "port|1"]);
    assert_eq!(words(&["--SAVE", "--port", "1"]), ["SAVE|", "port|1"]);
    assert_eq!(words(&["--save", "", "--port", "1"]), ["save|", "port|1"]);
    assert_eq!(words(&["--save", "60", "1", "--port", "1"]), ["save|60|1", "port|1"]);
    assert_eq!(words(&["--save", "60 1", "--save"]), ["save|60 1", "save|"]);
    assert_eq!(words(&["--port 1", "--hz 10"]), ["port|1", "hz|10"]);
    assert_eq!(words(&["--requirepass", "--foo", "--port", "1"]), ["requirepass|--foo", "port|1"]);
    assert_eq!(words(&["--hz ", "10", "--port", "1"]), ["hz|10", "port|1"]);
    assert_eq!(words(&["--bind", "-::1", "*"]), ["bind|-::1|*"]);
    assert_eq!(words(&["--hz", "10", "-", "--port", "1"]), ["hz|10|-", "port|1"]);
    let startup = |args: &[&str]| Startup::from_args(args.iter().map(OsString::from));
    for args in [&["-", "--port", "1"][..], &["--port", "1", "-"], &["-"]] {
        assert_eq!(startup(args).unwrap().stdin, Stdin::Unread, "{args:?}");
    }
    let with_file = startup(&["/a.conf", "--port", "1"]).unwrap();
    assert_eq!((with_file.file.as_deref(), with_file.stdin), (Some(Path::new("/a.conf")), Stdin::Unused));
    assert_eq!(startup(&["", "--port", "1"]).unwrap().file, None);
    assert!(matches!(startup(&["--port", "1", "--sentinel"]), Err(ConfigError::Sentinel)));
    let config =
        from_args(&["--save", "60 1 70 2", "--save", "80", "3", "--port", "7", "--port", "8"]).unwrap();
    assert_eq!((get(&config, "save"), config.snapshot().port), ("60 1 70 2 80 3".into(), 8));
}

#[test]
fn the_program_has_a_version_and_a_help_page() {
    let parse = |args: &[&str]| cli::parse(args.iter().map(OsString::from));
    for flag in ["-v", "--version"] {
        let Ok(cli::Cli::Print(text)) = parse(&[flag]) else { panic!("{flag}") };
        assert_eq!(text, format!("Ochre server v={} redis=8.0.6 bits=64\n", env!("CARGO_PKG_VERSION")));
    }
    for flag in ["-h", "--help"] {
        assert!(matches!(parse(&[flag]), Ok(cli::Cli::Print(text)) if text.contains("Examples:")), "{flag}");
    }
    let lines: &[&[&str]] = &[
        &["/a.conf", "--port", "7000", "--save", "60 1", "--appendonly", "yes"],
        &["--save", "", "--requirepass", "--help"],
        &["--bind", "-::1", "-v"],
        &["-", "--port", "0"],
        &["--port", "0", "-"],
        &["--save", "900", "1", "--save", "300", "10"],
        &[],
    ];
    for args in lines {
        let Ok(cli::Cli::Run(startup)) = parse(args) else { panic!("{args:?}") };
        let direct = Startup::from_args(args.iter().map(OsString::from)).unwrap();
        assert_eq!(format!("{startup:?}"), format!("{direct:?}"));
    }
}

#[test]
fn includes_come_in_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("1.inc", "timeout 1\nhz 31\n");
    write("2.inc", "timeout 2\n");
    let main = folder.path().join("main.conf");
    let config = |text: &str| {
        fs::write(&main, text).unwrap();
        from_args(&[main.to_str().unwrap()])
    };
    let path = folder.path().display();
    let snapshot = config(&format!("timeout 9\ninclude {path}/*.inc\nhz 40\n")).unwrap().snapshot();
    assert_eq!((snapshot.timeout, snapshot.hz), (2, 40));
    let relative = config(&format!("dir {path}\ninclude 1.inc\n")).unwrap().snapshot();
    assert_eq!((relative.timeout, relative.hz), (1, 31));
    assert_eq!(relative.dir, folder.path().canonicalize().unwrap());
    assert!(config(&format!("include {path}/*.none\n")).is_ok());
    assert!(config(&format!("include {path}/none\n")).is_err());
    let endless = config(&format!("include {path}/main.conf\n")).err().unwrap().to_string();
    assert!(endless.contains("too deeply"), "{endless}");
}

/// The file after CONFIG REWRITE.
fn rewritten(text: &str, pairs: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.conf");
    fs::write(&file, text).unwrap();
    let store = from_args(&[file.to_str().unwrap()]).unwrap();
    for pair in pairs {
        set(&store, &[*pair]).unwrap();
    }
    store.rewrite().unwrap();
    let again = from_args(&[file.to_str().unwrap()]).unwrap();
    assert_eq!(store.get(&[b"*"]), again.get(&[b"*"]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().filter(|entry| entry.is_ok()).count(), 1);
    let text = fs::read_to_string(&file).unwrap();
    again.rewrite().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "a second rewrite changes nothing");
    text
}

#[test]
fn a_forced_rewrite_says_every_option_and_loads_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.conf");
    fs::write(&file, "hz 20\n").unwrap();
    let store = from_args(&[file.to_str().unwrap()]).unwrap();
    store.rewrite_all().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("hz 20\n") && text.contains("\nmaxclients 10000\n"), "{text}");
    assert_eq!(store.get(&[b"*"]), from_args(&[file.to_str().unwrap()]).unwrap().get(&[b"*"]));
}

#[test]
fn a_rewritten_file_keeps_its_shape() {
    let pairs = [
        ("hz", "10"),
        ("maxmemory", "0"),
        ("save", "1 2 3 4 5 6"),
        ("timeout", "7"),
        ("requirepass", "a b\"\n\u{1}"),
        ("replica-priority", "6"),
    ];
    let text = "# hello\n\nhz 20\nmaxmemory 10mb\nsave 900 1\nsave 60 1\nslave-priority 5\nhz 30\n# tail\n";
    assert_eq!(
        rewritten(text, &pairs),
        "# hello\n\nhz 10\nmaxmemory 0\nsave 1 2\nsave 3 4\nreplica-priority 6\n\n# tail\n\n\
         # Generated by CONFIG REWRITE\ntimeout 7\nrequirepass \"a b\\\"\\n\\x01\"\nsave 5 6\n"
    );
    assert_eq!(
        rewritten("hz 20\nsave 900 1\nsave 60 1\n", &[("save", ""), ("hz", "10")]),
        "hz 10\nsave \"\"\n"
    );
    let marked = "# x\n# Generated by CONFIG REWRITE\nhz 11\n";
    assert_eq!(rewritten(marked, &[("timeout", "8")]), format!("{marked}timeout 8\n"));
    let arguments = "\n  # as I left it\r\nport 1\n\n\n";
    assert_eq!(rewritten(arguments, &[("port", "2")]), "  # as I left it\r\nport 2\n");
    let kept = "rename-command get \"x y\"\nuser a on >x\nlist-max-ziplist-entries 5\nunixsocketperm 700\nHZ 10\n'timeout' 99\n";
    let shape = "rename-command get \"x y\"\nuser a on >x\nlist-max-ziplist-entries 5\nunixsocketperm 700\nhz 10\ntimeout 99\n";
    assert_eq!(rewritten(kept, &[]), shape);
}

#[test]
fn a_rewritten_file_has_the_forms_of_redis() {
    let pairs = [
        ("maxmemory", "104857600"),
        ("client-output-buffer-limit", "normal 1 2 3 slave 1mb 2kb 3"),
        ("notify-keyspace-events", "KEAn"),
        ("maxmemory-clients", "5%"),
        ("oom-score-adj-values", "1 2 3"),
        ("shutdown-on-sigterm", "save now"),
        ("repl-backlog-size", "3000001"),
        ("masteruser", "it's"),
        ("loglevel", "debug"),
        ("bind", "127.0.0.1"),
    ];
    let text = rewritten("", &pairs);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "# Generated by CONFIG REWRITE");
    for line in [
        "maxmemory 100mb",
        "client-output-buffer-limit normal 1 2 3",
        "client-output-buffer-limit replica 1mb 2kb 3",
        "notify-keyspace-events \"AnKE\"",
        "maxmemory-clients 5%",
        "oom-score-adj-values 1 2 3",
        "shutdown-on-sigterm save now",
        "repl-backlog-size 3000001",
        "masteruser \"it's\"",
        "loglevel debug",
        "bind 127.0.0.1",
    ] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
    assert_eq!(lines.len(), 12);
}

#[test]
fn what_an_include_set_is_said_behind_the_includes() {
    let folder = tempfile::tempdir().unwrap();
    let (main, included) = (folder.path().join("main.conf"), folder.path().join("a.inc"));
    fs::write(&included, "timeout 44\nsave 7 7\n").unwrap();
    fs::write(&main, format!("timeout 3\ninclude {}\n", included.display())).unwrap();
    let store = from_args(&[main.to_str().unwrap(), "--hz", "33"]).unwrap();
    set(&store, &[("timeout", "0"), ("save", "8 8")]).unwrap();
    store.assign("replicaof", &[b"h", b"1"]).unwrap();
    store.rewrite_with_users(Some(&["a on\nport 1".to_owned()])).unwrap();
    let again = from_args(&[main.to_str().unwrap()]).unwrap();
    assert_eq!(store.get(&[b"*"]), again.get(&[b"*"]));
    assert_eq!(again.snapshot().declarations.users.len(), 1);
    assert_eq!(
        (get(&again, "timeout"), get(&again, "save"), get(&again, "replicaof")),
        ("0".into(), "8 8".into(), "h 1".into())
    );
}

#[test]
fn what_the_machine_made_of_a_value_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis.conf");
    fs::write(&file, "maxclients 10000\n").unwrap();
    let store = from_args(&[file.to_str().unwrap()]).unwrap();
    store.derive("maxmemory", &[b"1000000"]).unwrap();
    store.derive("maxclients", &[b"32"]).unwrap();
    store.rewrite().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "maxclients 10000\n");
    // Who sets the very same means it.
    set(&store, &[("maxmemory", "1000000"), ("maxclients", "32")]).unwrap();
    store.rewrite().unwrap();
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.starts_with("maxclients 32\n") && written.ends_with("\nmaxmemory 1000000\n"),
        "{written}"
    );
}

#[test]
fn a_rewritten_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = folder.path().join("redis.conf");
    fs::write(&file, "hz 10\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let store = from_args(&[file.to_str().unwrap()]).unwrap();
    store.rewrite().unwrap();
    assert_eq!(mode(&file), 0o600);
    fs::remove_file(&file).unwrap();
    store.rewrite().unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(store.config_file(), Some(file.as_path()));
    let none = super::tests::store("").rewrite().unwrap_err().to_string();
    assert_eq!(none, "The server is running without a config file");
    fs::remove_dir_all(folder.path()).unwrap();
    let gone = store.rewrite().unwrap_err().to_string();
    assert_eq!(gone, "Rewriting config file: No such file or directory");
}

#[test]
fn example_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, example()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == example(), "redis.conf.example is stale: UPDATE=1 cargo test example_is_fresh");
    let defaults = store("").get(&[b"*"]);
    let uncommented: String = committed
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| {
            lookup(line.split(' ').next().unwrap_or_default().as_bytes()).is_some() && !line.ends_with('.')
        })
        .filter(|line| !line.starts_with("dir "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(store(&uncommented).get(&[b"*"]), defaults);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a client sets: no panic, the file gets no line that is not an option's, and reads back the same.
    #[test]
    fn random_values_neither_panic_nor_inject(
        pairs in prop::collection::vec((0..OPTIONS.len(), prop::collection::vec(any::<u8>(), 0..12)), 1..8)
    ) {
        let loaded = load(Startup::default()).unwrap();
        let store = Store::load(Startup::default()).unwrap();
        for (index, value) in &pairs {
            let _ = store.set(&[(OPTIONS[*index].name.as_bytes(), value)], Caller::Local, |_, _, _| Ok(()));
        }
        let values: Vec<Vec<u8>> = OPTIONS
            .iter()
            .map(|spec| store.get(&[spec.name.as_bytes()]).remove(0).1)
            .collect();
        let state = load::Loaded { values, ..loaded };
        let text = rewrite::rewritten(b"", &state, rewrite::Which::Needed, None);
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
            let words = split_args(line).unwrap();
            let (spec, _) = lookup(&words[0]).unwrap();
            prop_assert!(pairs.iter().any(|(index, _)| *index == spec.index), "{:?}", String::from_utf8_lossy(line));
        }
        let again = Store::load(Startup { stdin: Stdin::Text(text), ..Startup::default() }).unwrap();
        prop_assert_eq!(store.get(&[b"*"]), again.get(&[b"*"]));
    }

    #[test]
    fn random_files_neither_panic_nor_hang(text in prop::collection::vec(any::<u8>(), 0..300), name in 0..OPTIONS.len()) {
        let mut file = OPTIONS[name].name.as_bytes().to_vec();
        file.push(b' ');
        file.extend(text.iter().filter(|byte| **byte != b'*'));
        let _ = Store::load(Startup { stdin: Stdin::Text(file), ..Startup::default() });
    }
}
