//! Scripts on several workers.

use super::support::{connect, effort, eventually, server};
use super::wire::{Reply, Wire};

const ENDLESS: &str = "while true do pcall(function() while true do end end) end";
const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// Waits until clients hear that a script runs.
fn until_busy(wire: &mut Wire, request: &[&str]) {
    eventually("the script runs for too long", || match wire.call(request) {
        Reply::Error(text) => text.starts_with(b"BUSY") || text.starts_with(b"EXECABORT"),
        _ => false,
    });
}

/// A script without end is ended by SCRIPT KILL, even if it catches errors, and its worker goes on as before.
fn is_killed(workers: &str) {
    let server = server(&["--io-threads", workers, "--busy-reply-threshold", "1"]);
    let mut looping = connect(&server);
    looping.send(&["EVAL", ENDLESS, "1", "n"]).unwrap();
    let mut wire = connect(&server);
    until_busy(&mut wire, &["GET", "n"]);
    assert_eq!(wire.ask("GET n").error_text(), BUSY);
    assert_eq!(wire.ask("EVAL return 1 0").error_text(), BUSY);
    assert_eq!(wire.ask("FUNCTION STATS").error_text(), BUSY);
    assert_eq!(wire.ask("FUNCTION KILL").error_text(), BUSY);
    // What needs nothing is answered, and by connections that come now.
    assert_eq!(connect(&server).ask("MULTI"), Reply::ok());
    assert_eq!(connect(&server).ask("SCRIPT KILL"), Reply::ok());
    assert!(looping.read().unwrap().error_text().contains("Script killed by user"));
    for number in 1..=3 {
        let script = "return redis.call('INCR', KEYS[1])";
        assert_eq!(looping.call(&["EVAL", script, "1", "n"]), Reply::Integer(number));
    }
    assert!(wire.ask("SCRIPT KILL").error_text().starts_with("NOTBUSY"));
}

#[test]
fn a_script_without_end_can_be_killed_by_its_own_worker() {
    is_killed("1");
}

#[test]
fn a_script_without_end_can_be_killed_by_several_workers() {
    is_killed("4");
}

/// With one shard all but a few commands hear of it, as in Redis; nothing of a transaction with others in it runs.
#[test]
fn one_worker_is_busy_for_everybody() {
    let server = server(&["--io-threads", "1", "--busy-reply-threshold", "1"]);
    let mut queueing = connect(&server);
    queueing.ask("MULTI");
    assert_eq!(queueing.ask("SET a 1"), Reply::Status(b"QUEUED".to_vec()));
    let mut looping = connect(&server);
    looping.send(&["EVAL", "while true do end", "0"]).unwrap();
    let mut wire = connect(&server);
    until_busy(&mut wire, &["PING"]);
    for request in ["PING", "INFO", "GET a", "SCRIPT LOAD x", "DBSIZE", "CONFIG GET save", "SHUTDOWN"] {
        assert_eq!(wire.ask(request).error_text(), BUSY, "{request}");
    }
    let aborted = queueing.ask("EXEC").error_text();
    assert_eq!(aborted, format!("EXECABORT Transaction discarded because of: {BUSY}"));
    for request in ["HELLO 2", "UNWATCH", "RESET", "MULTI", "DISCARD"] {
        assert!(!matches!(wire.ask(request), Reply::Error(_)), "{request}");
    }
    assert_eq!(wire.ask("SCRIPT KILL"), Reply::ok());
    assert!(looping.read().unwrap().error_text().contains("Script killed by user"));
    assert_eq!(wire.ask("GET a"), Reply::NilBulk);
}

/// A script that has written can't be killed; SHUTDOWN NOSAVE ends it, and half of it is nowhere.
#[test]
fn what_a_script_has_written_protects_it() {
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers, "--busy-reply-threshold", "1"]);
        let mut looping = connect(&server);
        let script = "redis.call('SET', KEYS[1], 1) while true do end";
        looping.send(&["EVAL", script, "1", "n"]).unwrap();
        let mut wire = connect(&server);
        until_busy(&mut wire, &["GET", "n"]);
        assert!(wire.ask("SCRIPT KILL").error_text().starts_with("UNKILLABLE"));
        // Who hangs up does not end it either.
        drop(looping);
        assert!(wire.ask("SCRIPT KILL").error_text().starts_with("UNKILLABLE"));
        // The server ends all the same when it is dropped.
    }
}

/// Functions have texts and commands of their own.
#[test]
fn a_function_without_end_can_be_killed() {
    let server = server(&["--io-threads", "2", "--busy-reply-threshold", "1"]);
    let mut looping = connect(&server);
    let library = "#!lua name=l\nredis.register_function('f', function() while true do end end)";
    assert_eq!(looping.call(&["FUNCTION", "LOAD", library]), Reply::Bulk(b"l".to_vec()));
    looping.send(&["FCALL", "f", "1", "n"]).unwrap();
    let mut wire = connect(&server);
    until_busy(&mut wire, &["GET", "n"]);
    let busy = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    assert_eq!(wire.ask("GET n").error_text(), busy);
    assert_eq!(wire.ask("SCRIPT KILL").error_text(), busy);
    assert!(matches!(wire.ask("FUNCTION STATS"), Reply::Array(_)));
    assert_eq!(wire.ask("FUNCTION KILL"), Reply::ok());
    assert!(looping.read().unwrap().error_text().contains("killed by user"));
    assert_eq!(wire.ask("GET n"), Reply::NilBulk);
}

/// Keys of other shards are served while a script runs, by its own worker too, before and after it is too long.
#[test]
fn other_shards_are_served_meanwhile() {
    let server = server(&["--io-threads", "2", "--busy-reply-threshold", "1"]);
    let mut looping = connect(&server);
    looping.send(&["EVAL", ENDLESS, "1", "n"]).unwrap();
    let mut wires: Vec<Wire> = (0..4).map(|_| connect(&server)).collect();
    until_busy(&mut wires[0], &["GET", "n"]);
    let mut served = 0;
    for (number, wire) in wires.iter_mut().enumerate() {
        assert_eq!(wire.ask("PING"), Reply::Status(b"PONG".to_vec()));
        for key in 0..40 {
            match wire.ask(&format!("SET {number}:{key} x")) {
                Reply::Status(_) => served += 1,
                other => assert_eq!(other.error_text(), BUSY),
            }
        }
    }
    // One of 32 shards is held.
    assert!(served >= 100, "{served} of 160 requests");
    assert_eq!(wires[1].ask("SCRIPT KILL"), Reply::ok());
}

/// One that only reads keeps others of its kind from running on its own worker alone, and waits for nobody who writes elsewhere.
#[test]
fn scripts_that_only_read_run_at_the_same_time() {
    let server = server(&["--io-threads", "2", "--busy-reply-threshold", "1"]);
    let mut looping = connect(&server);
    looping.send(&["EVAL_RO", ENDLESS, "1", "n"]).unwrap();
    let mut wires: Vec<Wire> = (0..4).map(|_| connect(&server)).collect();
    until_busy(&mut wires[0], &["GET", "n"]);
    let (mut ran, mut busy) = (0, 0);
    for wire in &mut wires {
        for key in 0..10 {
            let key = key.to_string();
            let reading = ["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", &key];
            let flagged = ["EVAL", "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])", "1", &key];
            let writing = ["EVAL", "return redis.call('DEL', KEYS[1]) - 1", "1", &key];
            for request in [&reading[..], &flagged, &writing] {
                match wire.call(request) {
                    Reply::NilBulk | Reply::Integer(-1) => ran += 1,
                    other => {
                        assert_eq!(other.error_text(), BUSY);
                        busy += 1;
                    }
                }
            }
        }
    }
    // Two of the four are on the other worker.
    assert!(ran >= 40 && busy >= 60, "{ran} ran, {busy} did not");
    // What it has not declared is held by the one that runs: it begins anew, and waits until that ends.
    let mut waiting = connect(&server);
    waiting.send(&["EVAL_RO", "return redis.call('GET', 'n') or 'none'", "0"]).unwrap();
    assert_eq!(wires[1].ask("SCRIPT KILL"), Reply::ok());
    assert!(looping.read().unwrap().error_text().contains("Script killed by user"));
    assert!(matches!(waiting.read().unwrap(), Reply::Error(_) | Reply::Bulk(_)));
}

/// Requests that came while the script was not too long yet hear of it when it is.
#[test]
fn who_waits_already_is_told_too() {
    let server = server(&["--io-threads", "1", "--busy-reply-threshold", "200"]);
    let (mut looping, mut waiting) = (connect(&server), connect(&server));
    looping.send(&["EVAL", ENDLESS, "0"]).unwrap();
    waiting.send(&["GET", "n"]).unwrap();
    assert_eq!(waiting.read().unwrap().error_text(), BUSY);
    assert_eq!(waiting.ask("SCRIPT KILL"), Reply::ok());
}

/// Commands about the whole server count under the locks that their transaction or script holds.
#[test]
fn the_server_can_be_asked_about_from_inside() {
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers]);
        let mut wire = connect(&server);
        for request in ["MULTI", "SET a 1", "INFO", "MEMORY STATS"] {
            wire.ask(request);
        }
        let Reply::Array(replies) = wire.ask("EXEC") else { panic!("no transaction") };
        assert_eq!(replies.len(), 3);
        let info = wire.call(&["EVAL", "return redis.call('INFO', 'keyspace')", "0"]);
        let Reply::Bulk(info) = info else { panic!("{info:?}") };
        assert!(String::from_utf8(info).unwrap().contains("db0:keys=1"));
    }
}

/// Keys that a script has not declared, on any shard: nobody sees half of what it does.
#[test]
fn undeclared_keys_are_changed_at_once() {
    const ROUNDS: usize = 300;
    let server = server(&["--io-threads", "4"]);
    let pay = "local from, to = 'account' .. ARGV[1], 'account' .. ARGV[2] \
               redis.call('DECRBY', from, 5) redis.call('INCRBY', to, 5)";
    std::thread::scope(|scope| {
        for payer in 0..3_usize {
            let server = &server;
            scope.spawn(move || {
                let mut wire = connect(server);
                for round in 0..ROUNDS * effort() {
                    let (from, to) = ((round + payer) % 8, (round * 3 + payer + 1) % 8);
                    let reply = wire.call(&["EVAL", pay, "0", &from.to_string(), &to.to_string()]);
                    assert_eq!(reply, Reply::NilBulk);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let mut wire = connect(&server);
                for _ in 0..ROUNDS * effort() {
                    let names: Vec<String> = (0..8).map(|index| format!("account{index}")).collect();
                    let request: Vec<&str> =
                        ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
                    let Reply::Array(balances) = wire.call(&request) else { panic!("no balances") };
                    let sum: i64 = balances
                        .iter()
                        .map(|balance| match balance {
                            Reply::Bulk(digits) => std::str::from_utf8(digits).unwrap().parse().unwrap(),
                            _ => 0,
                        })
                        .sum();
                    assert_eq!(sum, 0, "{balances:?}");
                }
            });
        }
    });
}

fn memory(wire: &mut Wire, field: &str) -> u64 {
    let Reply::Bulk(info) = wire.ask("INFO memory") else { panic!("no INFO") };
    let info = String::from_utf8(info).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().parse().unwrap()
}

/// Long strings that are put together are the same as others of the same bytes, and bounded: copying can't be interrupted.
#[test]
fn strings_that_are_put_together_are_equal_and_bounded() {
    let server = server(&[]);
    let mut wire = connect(&server);
    let same = "local half = string.rep('xy', 20000) local whole, parts = string.rep('xy', 40000), half .. half \
                local other = half .. string.rep('xy', 19999) .. 'yx' local found = {[whole] = 1, [other] = 2} \
                return {whole == parts, found[parts], found[half .. string.rep('xy', 19999) .. 'yx'], whole == other or 0}";
    let counted = [1, 1, 2, 0].map(Reply::Integer).to_vec();
    assert_eq!(wire.call(&["EVAL", same, "0"]), Reply::Array(counted));
    let double = "local s = string.rep('x', 1024) for _ = 1, 16 do s = s .. s end ";
    assert_eq!(wire.call(&["EVAL", &format!("{double} return #s"), "0"]), Reply::Integer(64 << 20));
    let reply = wire.call(&["EVAL", &format!("{double} return #(s .. 'x')"), "0"]);
    assert!(reply.error_text().contains("not enough memory"), "{reply:?}");
}

/// What wants more than there is gets an error, and the next script finds everything as it was.
#[test]
fn memory_and_depth_end_in_errors() {
    let server = server(&["--io-threads", "2", "--lua-memory-limit", "64mb"]);
    let mut wire = connect(&server);
    for (script, message) in [
        ("return #string.rep('x', 1024 * 1024 * 1024)", "not enough memory"),
        ("local t = {} for i = 1, 1e9 do t[i] = {i} end", "not enough memory"),
        ("local s = 'x' while true do s = s .. s end", "not enough memory"),
        ("local s = '' while true do s = s .. string.rep('x', 1e6) end", "not enough memory"),
        ("local function f() return 1 + f() end return f()", "stack overflow"),
        (
            "return string.gsub('x', 'x', string.rep('%0', 1e7)):len() + #string.rep('y', 1e9)",
            "not enough memory",
        ),
        ("return string.find(string.rep('a', 3e5), string.rep('a?', 3e5))", "pattern too complex"),
        ("local t = {} t[1] = t return cjson.encode(t)", "nest"),
        ("return cjson.decode(string.rep('[', 1e6))", "nest"),
        ("return unpack({}, 1, 1e8)", "too many results to unpack"),
    ] {
        let answer = wire.call(&["EVAL", script, "0"]).error_text();
        assert!(answer.contains(message), "{script}: {answer}");
        assert_eq!(wire.call(&["EVAL", "return #string.rep('x', 1000)", "0"]), Reply::Integer(1000));
    }
    assert_eq!(wire.call(&["EVAL", "return #string.rep('', 2147483647)", "0"]), Reply::Integer(0));
}

/// Runs a script that takes too long, and ends it from another connection.
fn run_and_kill(looping: &mut Wire, script: &str, wire: &mut Wire) {
    looping.send(&["EVAL", script, "0"]).unwrap();
    until_busy(wire, &["PING"]);
    assert_eq!(wire.ask("SCRIPT KILL"), Reply::ok(), "{script}");
    assert!(looping.read().unwrap().error_text().contains("Script killed by user"), "{script}");
}

/// Loops in C can be killed like any other.
#[test]
fn what_runs_long_inside_of_one_function_can_be_killed() {
    for script in [
        "return string.find(string.rep('a', 40), string.rep('a?', 40) .. string.rep('a', 40))",
        "return string.find(string.rep('(', 5e6), '%b()')",
        "return string.gsub(string.rep('a', 5e6), '.-b', '')",
        "local t = {} for i = 1, 4e6 do t[i] = -i end while true do table.sort(t) end",
        "return table.insert({}, -2147483648, 1)",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do pcall(string.rep, 'x', 1e7) end",
        "local s = string.rep('x', 1e6) while true do redis.sha1hex(s) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do cjson.encode(t) end",
        "local t = {} for i = 1, 1e6 do t[i] = {} end while true do collectgarbage() end",
        "local t = {} for i = 1, 1e6 do t[i] = {i} end while true do pcall(cmsgpack.pack, t) end",
        "local t = {} for i = 1, 3e6 do t[i] = '' end while true do table.concat(t) end",
        "local t = {} for i = 1, 3e6 do t[i] = i end while true do table.foreach(t, rawequal) end",
        "local s = string.rep('1', 3e6) while true do tonumber(s) end",
        "while true do redis.call('LCS', 'one', 'other', 'LEN') end",
    ] {
        let server = server(&["--io-threads", "1", "--busy-reply-threshold", "1"]);
        let (mut looping, mut wire) = (connect(&server), connect(&server));
        for (name, text) in [("one", "ab".repeat(3000)), ("other", "ba".repeat(3000))] {
            assert_eq!(wire.call(&["SET", name, &text]), Reply::ok());
        }
        run_and_kill(&mut looping, script, &mut wire);
    }
}

/// Nobody hides from SCRIPT KILL: not in many short coroutines, and not where an error is handled.
#[test]
fn what_evades_can_be_killed() {
    let server = server(&["--io-threads", "1", "--busy-reply-threshold", "1"]);
    let (mut looping, mut wire) = (connect(&server), connect(&server));
    for script in [
        "local function f(depth) for i = 1, 900 do if depth > 0 then coroutine.wrap(f)(depth - 1) end end end f(9)",
        "local function f(depth) for i = 1, 900 do pcall(coroutine.wrap(f), depth - 1) end end f(9)",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do xpcall(error, function() while true do pcall(error) end end) end",
        "xpcall(function() while true do end end, coroutine.wrap(function() while true do end end))",
    ] {
        run_and_kill(&mut looping, script, &mut wire);
    }
}

/// What is compiled of texts that came once goes, and what was loaded goes with SCRIPT FLUSH.
#[test]
fn texts_do_not_fill_the_memory() {
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    wire.ask("EVAL return(0) 0");
    let empty = memory(&mut wire, "used_memory_vm_eval");
    assert!(empty > 10_000, "{empty}");
    for number in 0..20_000 {
        wire.call(&["EVAL", &format!("local number = {number} return number"), "0"]);
    }
    let kept = memory(&mut wire, "used_memory_vm_eval");
    assert!(kept < empty + (8 << 20), "{kept} after {empty}");
    assert!(memory(&mut wire, "number_of_cached_scripts") <= 501);
    for number in 0..10_000 {
        let script = format!("local number = {number} return redis.call('SET', KEYS[1], number)");
        assert!(matches!(wire.call(&["SCRIPT", "LOAD", &script]), Reply::Bulk(_)));
    }
    let loaded = memory(&mut wire, "used_memory_vm_total") + memory(&mut wire, "used_memory_scripts");
    assert!(loaded > kept && loaded < 100 << 20, "{loaded}");
    assert_eq!(wire.ask("SCRIPT FLUSH"), Reply::ok());
    wire.ask("EVAL return(0) 0");
    assert_eq!(memory(&mut wire, "number_of_cached_scripts"), 1);
    assert!(memory(&mut wire, "used_memory_vm_total") < empty * 2);
}

/// There may be more functions than a worker holds handles of, in one library or in many, and all are gone with FUNCTION FLUSH.
#[test]
fn ten_thousand_functions_are_kept() {
    const MANY: usize = 10_000;
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let register =
        |name: &str| format!("redis.register_function('{name}', function() return '{name}' end)\n");
    let names: Vec<String> = (0..MANY).map(|number| format!("of_one_{number}")).collect();
    let body: String = names.iter().map(|name| register(name)).collect();
    assert_eq!(wire.call(&["FUNCTION", "LOAD", &format!("#!lua name=one\n{body}")]), Reply::bulk("one"));
    for number in 0..MANY {
        let code = format!("#!lua name=l{number}\n{}", register(&format!("f{number}")));
        assert_eq!(wire.call(&["FUNCTION", "LOAD", &code]), Reply::bulk(&format!("l{number}")));
    }
    for number in [0, MANY / 2, MANY - 1] {
        for name in [format!("f{number}"), format!("of_one_{number}")] {
            assert_eq!(wire.call(&["FCALL", &name, "0"]), Reply::bulk(&name));
        }
    }
    assert_eq!(wire.ask("FUNCTION DELETE l7"), Reply::ok());
    assert!(wire.ask("FCALL f7 0").error_text().contains("not found"));
    let held = memory(&mut wire, "used_memory_vm_functions");
    assert!(held > 1 << 20 && held < 100 << 20, "{held}");
    assert_eq!(wire.ask("FUNCTION FLUSH"), Reply::ok());
    eventually("nothing is left", || memory(&mut wire, "used_memory_vm_functions") == 0);
}

/// What the workers have compiled is free soon after a flush, also where no further script comes.
#[test]
fn every_worker_forgets_what_was_flushed() {
    let server = server(&["--io-threads", "4"]);
    let mut wires: Vec<Wire> = (0..8).map(|_| connect(&server)).collect();
    let library = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
    assert_eq!(wires[0].call(&["FUNCTION", "LOAD", library]), Reply::bulk("l"));
    for wire in &mut wires {
        assert_eq!(wire.ask("EVAL return(1) 0"), Reply::Integer(1));
        assert_eq!(wire.ask("FCALL f 0"), Reply::Integer(1));
    }
    for (request, field) in
        [("SCRIPT FLUSH", "used_memory_vm_eval"), ("FUNCTION FLUSH ASYNC", "used_memory_vm_functions")]
    {
        assert!(memory(&mut wires[0], field) > 0);
        assert_eq!(wires[0].ask(request), Reply::ok());
        eventually(field, || memory(&mut wires[0], field) == 0);
    }
}

/// What a script held is free soon after it, also where no further script comes: when it was killed, and when it ended.
#[test]
fn what_a_script_held_is_freed_behind_it() {
    let server = server(&["--io-threads", "1", "--busy-reply-threshold", "1"]);
    let (mut one, mut wire) = (connect(&server), connect(&server));
    const FILL: &str = "local t = {} for i = 1, 100 do t[i] = string.rep('x', 1e6) .. i end";
    assert_eq!(one.call(&["EVAL", &format!("{FILL} return #t"), "0"]), Reply::Integer(100));
    eventually("the rest is freed", || memory(&mut wire, "used_memory_vm_eval") < 16 << 20);
    run_and_kill(&mut one, &format!("{FILL} while true do end"), &mut wire);
    eventually("all is freed", || memory(&mut wire, "used_memory_vm_eval") == 0);
    let library =
        format!("#!lua name=l\nredis.register_function('f', function() {FILL} while true do end end)");
    assert_eq!(wire.call(&["FUNCTION", "LOAD", &library]), Reply::bulk("l"));
    one.send(&["FCALL", "f", "0"]).unwrap();
    until_busy(&mut wire, &["PING"]);
    assert_eq!(wire.ask("FUNCTION KILL"), Reply::ok());
    assert!(one.read().unwrap().error_text().contains("Script killed by user"));
    eventually("all is freed", || memory(&mut wire, "used_memory_vm_functions") == 0);
}

/// TIME tells when the script, or the transaction, first asked.
#[test]
fn the_time_stands_still_in_scripts_and_transactions() {
    const BUSY_FOR_A_WHILE: &str = "for i = 1, 1000000 do end";
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let script = format!(
        "local function us() local time = redis.call('TIME'); return time[1] * 1000000 + time[2] end
         local first = us() {BUSY_FOR_A_WHILE} return us() - first"
    );
    assert_eq!(wire.call(&["EVAL", &script, "0"]), Reply::Integer(0));
    wire.ask("MULTI");
    for request in [&["TIME"][..], &["EVAL", BUSY_FOR_A_WHILE, "0"], &["TIME"]] {
        assert_eq!(wire.call(request), Reply::Status(b"QUEUED".to_vec()));
    }
    let Reply::Array(replies) = wire.ask("EXEC") else { panic!("no array") };
    assert_eq!(replies.first(), replies.last());
    assert_ne!(Some(&wire.ask("TIME")), replies.first());
}
