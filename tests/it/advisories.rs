//! What was found in the Lua of Redis and its kin, advisory by advisory: none of it is to work here.
//!
//! Each test is named after what it is about. Most of them run as two users, because what matters is what one can do to another.

use std::io::{Read, Write};

use ochre::server::embed::Server;

use super::support::{connect, server};
use super::wire::{Reply, Wire, request};

fn two_users() -> (Server, Wire, Wire) {
    let server = server(&["--io-threads", "1"]);
    let (mut one, mut other) = (connect(&server), connect(&server));
    one.ask("ACL SETUSER one on >one ~one:* +@all");
    one.ask("ACL SETUSER other on >other ~other:* +@all");
    assert_eq!(one.ask("AUTH one one"), Reply::ok());
    assert_eq!(other.ask("AUTH other other"), Reply::ok());
    (server, one, other)
}

fn eval(wire: &mut Wire, script: &str) -> Reply {
    wire.call(&["EVAL", script, "0"])
}

fn error(wire: &mut Wire, script: &str) -> String {
    match eval(wire, script) {
        Reply::Error(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{script}: {other:?}"),
    }
}

/// All scripts fail.
fn all_fail(wire: &mut Wire, scripts: &[&str]) {
    scripts.iter().for_each(|script| assert!(!error(wire, script).is_empty(), "{script}"));
}

/// RediShell: the name of a chunk goes while the chunk is parsed.
#[test]
fn cve_2025_49844() {
    let (_server, mut one, _) = two_users();
    let script = "collectgarbage('setpause', 1) collectgarbage('setstepmul', 1000) local n = 0 \
                  for i = 1, 100000 do \
                    local f = loadstring('local a' .. i .. ' = ' .. i .. ' return a' .. i, '@' .. string.rep('x', i % 50) .. i) \
                    if f and f() == i then n = n + 1 end \
                    if i % 100 == 0 then collectgarbage() end \
                  end return n";
    assert_eq!(eval(&mut one, script), Reply::Integer(100_000));
}

/// The size of a range overflows.
#[test]
fn cve_2025_46817() {
    let (_server, mut one, _) = two_users();
    for range in ["0, 2147483647", "-2147483648, 2147483647", "1, 2147483647", "2147483646, 2147483647"] {
        let script = format!("return #{{pcall(unpack, {{}}, {range})}}");
        assert!(matches!(eval(&mut one, &script), Reply::Integer(1..=3)), "{range}");
    }
    assert_eq!(
        eval(&mut one, "return ({})[-2147483648] == nil and ({})[2147483648] == nil"),
        Reply::Integer(1)
    );
    assert_eq!(eval(&mut one, "local t = {} t[-2147483648] = 7 return t[-2147483648]"), Reply::Integer(7));
}

/// Tables behind strings and numbers, which all scripts share.
#[test]
fn cve_2025_46818() {
    let (_server, mut one, mut other) = two_users();
    let scripts = [
        "getmetatable('').__index = function() return 'mine' end",
        "getmetatable('').__len = function() return 0 end",
        "getmetatable('').__eq = function() return true end",
        "setmetatable(getmetatable(''), {})",
        "rawset(getmetatable(''), '__index', {})",
        "string.rep = nil",
        "getmetatable(redis).__index = nil",
    ];
    all_fail(&mut one, &scripts);
    assert_eq!(
        eval(
            &mut one,
            "return getmetatable(1) == nil and getmetatable(true) == nil and getmetatable(nil) == nil"
        ),
        Reply::Integer(1)
    );
    assert_eq!(eval(&mut other, "return ('abc'):upper() .. #'abc'"), Reply::bulk("ABC3"));
}

/// The level of a long bracket is counted in too few bits.
#[test]
fn cve_2025_46819() {
    let (_server, mut one, _) = two_users();
    for levels in [1, 1_000, 1_000_000, 20_000_000] {
        let text = format!("return [{}[", "=".repeat(levels));
        assert!(error(&mut one, &text).contains("unfinished long string"), "{levels}");
        let comment = format!("--[{}[ x ]] return 1", "=".repeat(levels));
        assert!(error(&mut one, &comment).contains("unfinished long comment"), "{levels}");
    }
}

/// Globals and libraries that the next script finds changed.
#[test]
fn cve_2022_24735() {
    let (_server, mut one, mut other) = two_users();
    let scripts = [
        "a = 10",
        "rawset(_G, 'a', 10)",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = nil",
        "redis.call = function() return 1 end",
        "rawset(redis, 'call', nil)",
        "cjson.encode = nil",
        "math.random = function() return 4 end",
        "table.insert(string, 1)",
        "KEYS = nil a = 1",
        "redis = nil redis.call('PING')",
        "setmetatable(redis, {})",
        "server.call = nil",
        "_G._G = nil",
        "bit.tohex = nil",
        "os.clock = nil",
    ];
    all_fail(&mut one, &scripts);
    assert_eq!(eval(&mut other, "return redis.call('PING')"), Reply::Status(b"PONG".to_vec()).clone());
    assert!(error(&mut other, "return a").contains("nonexistent global variable 'a'"));
}

/// A text that ends the function around it.
#[test]
fn cve_2022_24736() {
    let (_server, mut one, _) = two_users();
    for text in [
        "return 1 end return function() return 2",
        "end",
        "end end",
        "return function() end end",
        "end local x = 1",
        "until true",
        "else",
        "return 1 return 2",
        "]] return 1",
        "end; redis.call('PING') do",
        "}",
        ")",
        "\u{0}",
        "#!lua\nend",
        "::x:: goto x",
        "end return 1",
        "end) return 1",
        "end, function() return 1",
        "end; end; return 1",
        "end return function() return 1 end",
        "end return (function() return 1 end)()",
        "end function f() return 1",
        "end local function f() return 1",
        "end f = function() return 1",
        "end _G.f = function() return 1",
        "end\nend\nfunction f()",
        "return 1 end function f_x() return 2 end",
        "do end end",
        "if true then end end",
        "for i = 1, 2 do end end",
        "while false do end end",
        "repeat until true end",
        "function f() end end return 1",
        "return function()",
        "return (function() end",
        "return {",
        "return [[",
        "return '",
        "--[[",
        "local x = ",
        "local function",
        "function",
        "return return",
        "break",
        "do break end",
        "elseif",
        "then return 1",
        "in pairs({})",
        "...) return 1",
        "(...) return 1 end",
        "return 1;; return 2",
        "end -- return 1",
    ] {
        assert!(error(&mut one, text).contains("Error compiling script"), "{text}");
    }
}

/// What a collector calls while the state is closed.
#[test]
fn cve_2024_46981() {
    let (_server, mut one, _) = two_users();
    assert!(error(&mut one, "return newproxy(true)").contains("newproxy"));
    for _ in 0..200 {
        let script = "for i = 1, 100 do setmetatable({}, {__gc = function() error('x') end}) end return 1";
        assert_eq!(eval(&mut one, script), Reply::Integer(1));
        assert_eq!(one.ask("SCRIPT FLUSH ASYNC"), Reply::ok());
        assert_eq!(one.ask("FUNCTION FLUSH"), Reply::ok());
    }
}

/// What frees the state of a function that runs.
#[test]
fn cve_2026_23631() {
    let options = ["--io-threads", "1", "--busy-reply-threshold", "1", "--enable-debug-command", "yes"];
    let server = server(&options);
    let (mut looping, mut wire) = (connect(&server), connect(&server));
    let library = "#!lua name=l\nredis.register_function('f', function() while true do end end)";
    looping.call(&["FUNCTION", "LOAD", library]);
    looping.send(&["FCALL", "f", "0"]).unwrap();
    super::support::eventually("it is busy", || matches!(wire.ask("PING"), Reply::Error(_)));
    for request in [
        "FUNCTION FLUSH",
        "FUNCTION DELETE l",
        "FUNCTION RESTORE x FLUSH",
        "FUNCTION FLUSH ASYNC",
        "SCRIPT FLUSH",
        "FLUSHALL",
        "DEBUG RELOAD",
    ] {
        assert!(wire.ask(request).error_text().starts_with("BUSY"), "{request}");
    }
    assert!(wire.ask("SHUTDOWN").error_text().starts_with("BUSY"));
    assert_eq!(wire.ask("FUNCTION KILL"), Reply::ok());
    assert!(looping.read().unwrap().error_text().contains("killed"));
    assert!(matches!(wire.ask("FUNCTION LIST"), Reply::Array(all) if all.len() == 1));
}

/// The debugger keeps a state that is gone.
#[test]
fn ghsa_fq2f_crmw_q97r() {
    let (server, mut one, _) = two_users();
    for mode in ["YES", "SYNC"] {
        assert!(matches!(one.call(&["SCRIPT", "DEBUG", mode]), Reply::Error(_)));
    }
    one.ask("ACL SETUSER default >secret");
    let mut stranger = connect(&server);
    assert!(stranger.ask("SCRIPT DEBUG YES").error_text().starts_with("NOAUTH"));
}

/// Tables inside themselves, and deep ones. The replies are deeper than this client could read.
#[test]
fn cve_2021_32626() {
    let (server, mut one, _) = two_users();
    for script in [
        "local a = {} local b = {a} a[1] = b return a",
        "local t = {} for i = 1, 1000000 do t = {t} end return t",
    ] {
        let mut stream = std::net::TcpStream::connect(server.addr).unwrap();
        stream.write_all(&request(&["EVAL", script, "0"])).unwrap();
        stream.write_all(&request(&["ECHO", "in step"])).unwrap();
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        while !heard.ends_with(b"$7\r\nin step\r\n") {
            let len = stream.read(&mut buffer).unwrap();
            assert!(len > 0);
            heard.extend_from_slice(&buffer[..len]);
        }
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.starts_with("*1\r\n*1\r\n*1\r\n"), "{script}");
        assert!(heard.contains("-ERR reached lua stack limit\r\n"), "{script}");
    }
    assert_eq!(one.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

/// The debugger's protocol: nobody gets as far as speaking it, and a script that asks for it just goes on.
#[test]
fn cve_2021_32672() {
    let (_server, mut one, _) = two_users();
    assert!(matches!(one.ask("SCRIPT DEBUG YES"), Reply::Error(_)));
    assert_eq!(eval(&mut one, "redis.breakpoint() redis.debug('x') return 1"), Reply::Integer(1));
    for word in ["s", "continue", "@print"] {
        assert!(one.ask(word).error_text().contains("unknown command"), "{word}");
    }
}

/// What Debian's own build left in the sandbox.
#[test]
fn cve_2022_0543() {
    let (_server, mut one, _) = two_users();
    for name in [
        "package", "require", "module", "io", "debug", "dofile", "loadfile", "print", "newproxy", "getfenv",
        "setfenv",
    ] {
        assert!(error(&mut one, &format!("return {name}")).contains("nonexistent global variable"), "{name}");
        assert_eq!(
            eval(&mut one, &format!("return rawget(_G, '{name}') == nil")),
            Reply::Integer(1),
            "{name}"
        );
    }
    let names = "local n = {} for name in pairs(os) do n[#n + 1] = name end return table.concat(n)";
    assert_eq!(eval(&mut one, names), Reply::bulk("clock"));
}

/// What is raised has a metatable that raises: looking for its message ends Redis 8.0.6, with status 1 and no word in the log.
#[test]
fn errors_are_looked_at_under_protection() {
    let (_server, mut one, _) = two_users();
    let scripts = [
        "error(setmetatable({}, {__index = function() error('mine') end}))",
        "setmetatable(ARGV, {__index = function() return redis.call() end}) error(ARGV)",
        "error(setmetatable({}, {__newindex = function() error('mine') end}))",
        "return {pcall(error, setmetatable({}, {__index = function() error('mine') end}))}",
    ];
    all_fail(&mut one, &scripts);
    assert_eq!(one.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

/// A function with many parameters and more arguments.
#[test]
fn cve_2014_5461() {
    let (_server, mut one, _) = two_users();
    let parameters: Vec<String> = (1..=190).map(|number| format!("p{number}")).collect();
    let script = format!(
        "local function f({}, ...) return p1, p190, select('#', ...), (...) end \
         local given = {{}} for i = 1, 500 do given[i] = i end return {{f(unpack(given))}}",
        parameters.join(",")
    );
    let right = [1, 190, 310, 191].map(Reply::Integer);
    assert_eq!(eval(&mut one, &script), Reply::Array(right.to_vec()));
}

/// Bytecode, which nobody checks.
#[test]
fn bytecode_is_not_loaded() {
    let (_server, mut one, _) = two_users();
    let message = "unexpected symbol near 'char(27)'";
    assert!(one.call(&["EVAL", "\u{1b}Lua", "0"]).error_text().contains(message));
    assert!(one.call(&["SCRIPT", "LOAD", "\u{1b}LuaQ"]).error_text().contains(message));
    assert!(one.call(&["FUNCTION", "LOAD", "#!lua name=x\n\u{1b}Lua"]).error_text().contains(message));
    for script in ["loadstring('\\27Lua')", "load(function() return '\\27LuaQ' end)"] {
        assert_eq!(eval(&mut one, &format!("return {script}")), Reply::NilBulk);
    }
    // It can be made, as in Redis.
    assert_eq!(eval(&mut one, "return loadstring(string.dump(function() end)) == nil"), Reply::Integer(1));
}

/// cmsgpack: many values, and tables in tables.
#[test]
fn cve_2018_11218() {
    let (_server, mut one, _) = two_users();
    assert!(error(&mut one, "return #cmsgpack.pack(unpack({}, 1, 7000))").contains("Too many arguments"));
    let deep = "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t) < 100";
    assert_eq!(eval(&mut one, deep), Reply::Integer(1));
    assert_eq!(eval(&mut one, "local t = {} t[1] = t return #cmsgpack.pack(t) < 100"), Reply::Integer(1));
    let bytes = "return pcall(cmsgpack.unpack, string.rep('\\145', 100000))";
    assert_eq!(eval(&mut one, bytes), Reply::NilBulk);
    for header in [
        "\\221\\255\\255\\255\\255",
        "\\223\\255\\255\\255\\255",
        "\\219\\255\\255\\255\\255",
        "\\198\\255\\255\\255\\255",
    ] {
        assert_eq!(eval(&mut one, &format!("return pcall(cmsgpack.unpack, '{header}')")), Reply::NilBulk);
    }
}

/// struct: numbers in the format that don't fit, places outside of the text.
fn struct_is_checked() {
    let (_server, mut one, _) = two_users();
    for call in [
        "struct.pack, '>I2147483648', 1",
        "struct.pack, '>I2147483647', 1",
        "struct.pack, '>I99999999999999999999', 1",
        "struct.pack, '!99999999999i', 1",
        "struct.pack, '!2147483648i', 1",
        "struct.unpack, '>s', 'abc', 2147483648",
        "struct.unpack, '>s', 'abc', -1",
        "struct.unpack, '>s', 'abc', 0",
        "struct.unpack, 'c2147483647', 'abc'",
        "struct.unpack, 'c4294967296', 'abc'",
        "struct.unpack, 'i', 'abc', 4294967297",
        "struct.size, 's'",
        "struct.size, 'c0'",
        "struct.size, '!3i'",
    ] {
        assert_eq!(eval(&mut one, &format!("return pcall({call})")), Reply::NilBulk, "{call}");
    }
}

#[test]
fn cve_2018_11219() {
    struct_is_checked();
}

#[test]
fn cve_2020_14147_and_2015_8080() {
    struct_is_checked();
}

#[test]
fn cve_2025_52935_and_2025_26269() {
    struct_is_checked();
}

/// Sizes that overflow: a text that grows six times is one that may not be there.
#[test]
fn cve_2022_24834() {
    let server = server(&["--io-threads", "1", "--lua-memory-limit", "32mb"]);
    let mut wire = connect(&server);
    for script in [
        "return #cjson.encode(string.rep('\\1', 8e6))",
        "return #cjson.encode({string.rep('\\1', 4e6), string.rep('\\1', 4e6)})",
        "return #cmsgpack.pack(string.rep('x', 12e6), string.rep('y', 12e6))",
    ] {
        assert!(error(&mut wire, script).contains("memory"), "{script}");
    }
    assert_eq!(eval(&mut wire, "return #cjson.encode(string.rep('\\1', 1e6))"), Reply::Integer(6_000_002));
}

/// The absolute value of the least number.
#[test]
fn cve_2024_31449() {
    let (_server, mut one, _) = two_users();
    assert_eq!(eval(&mut one, "return bit.tohex(65535, -2147483648)"), Reply::bulk("0000FFFF"));
    assert_eq!(eval(&mut one, "return bit.tohex(65535, 2147483647)"), Reply::bulk("0000ffff"));
}

/// cjson: depth both ways.
#[test]
fn cjson_ends_at_a_thousand() {
    let (_server, mut one, _) = two_users();
    for brackets in [1_001, 1_000_000] {
        let script = format!("return cjson.decode(string.rep('[', {brackets}))");
        assert!(error(&mut one, &script).contains("nest"), "{brackets}");
    }
    let fits = "return #cjson.encode(cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000)))";
    assert!(matches!(eval(&mut one, fits), Reply::Integer(2..) | Reply::Error(_)));
    assert!(
        error(&mut one, "local t = {} for i = 1, 1001 do t = {t} end return cjson.encode(t)")
            .contains("nest")
    );
}

/// The names that scripts can reach are those of Redis 8.0.6 with its options as they come.
#[test]
fn globals_are_those_of_redis() {
    let (_server, mut one, _) = two_users();
    let script = "local names = {} \
                  for name, value in pairs(_G) do \
                    names[#names + 1] = name \
                    if type(value) == 'table' and value ~= _G then \
                      for inner in pairs(value) do names[#names + 1] = name .. '.' .. tostring(inner) end \
                    end \
                  end \
                  table.sort(names) return table.concat(names, ' ')";
    assert_eq!(eval(&mut one, script), Reply::bulk(include_str!("globals.txt").trim_end()));
}
