//! Requests as bytes: cut anywhere, by the hundred thousand, and malformed in every way.

use std::io::Write;
use std::thread::JoinHandle;

use super::support::{bytes_read, connect, eventually, server};
use super::wire::{Reply, Wire, request};

/// Some requests of every form, and what they are answered with.
fn mixture() -> (Vec<u8>, Vec<Reply>) {
    let mut bytes = Vec::new();
    bytes.extend(request(&["SET", "k", "a\r\n*1\r\n$4\r\nPING\r\n"]));
    bytes.extend(b"\r\n*0\r\nGET k\r\n");
    bytes.extend(request(&["GET", ""]));
    bytes.extend(b"*-1\r\nPING \"quo\\x74ed\" \nSET inline 'it\\'s'\r\n");
    bytes.extend(request(&["GET", "inline"]));
    bytes.extend(request(&["NOSUCH"]));
    let replies = vec![
        Reply::ok(),
        Reply::bulk("a\r\n*1\r\n$4\r\nPING\r\n"),
        Reply::NilBulk,
        Reply::bulk("quoted"),
        Reply::ok(),
        Reply::bulk("it's"),
        Reply::Error(b"ERR unknown command 'NOSUCH', with args beginning with: ".to_vec()),
    ];
    (bytes, replies)
}

/// Sends while the test goes on to read.
fn send(wire: &Wire, bytes: Vec<u8>) -> JoinHandle<()> {
    let mut stream = wire.stream.try_clone().unwrap();
    std::thread::spawn(move || stream.write_all(&bytes).unwrap())
}

fn expect(wire: &mut Wire, replies: &[Reply], context: &str) {
    for expected in replies {
        assert_eq!(&wire.read().expect(context), expected, "{context}");
    }
}

#[test]
fn requests_can_be_cut_at_every_byte() {
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let (bytes, replies) = mixture();
    for cut in 1..bytes.len() {
        let before = bytes_read(&server);
        wire.send_raw(&bytes[..cut]).unwrap();
        // Only when the first part was read is it certain that it was read alone.
        eventually("the first part is read", || bytes_read(&server) == before + cut as u64);
        wire.send_raw(&bytes[cut..]).unwrap();
        expect(&mut wire, &replies, &format!("cut at {cut}"));
    }
}

#[test]
fn requests_can_come_byte_by_byte() {
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let (bytes, replies) = mixture();
    for (sent, byte) in bytes.iter().enumerate() {
        wire.send_raw(&[*byte]).unwrap();
        eventually("the byte is read", || bytes_read(&server) == sent as u64 + 1);
    }
    expect(&mut wire, &replies, "byte by byte");
}

#[test]
fn a_pipeline_of_a_hundred_thousand_is_answered_in_order() {
    const COUNT: i64 = 100_000;
    for workers in ["1", "4"] {
        let server = server(&["--io-threads", workers]);
        let mut wire = connect(&server);
        let sending = send(&wire, request(&["INCR", "n"]).repeat(COUNT as usize));
        for expected in 1..=COUNT {
            assert_eq!(wire.read().unwrap(), Reply::Integer(expected));
        }
        sending.join().unwrap();
    }
}

/// Replies too long to wait for other connections leave at once; by then the next requests may be there.
#[test]
fn requests_run_once_also_behind_long_replies() {
    const COUNT: i64 = 3_000;
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let value = "v".repeat(20_000);
    wire.call(&["SET", "k", &value]);
    let burst = [request(&["GET", "k"]), request(&["INCR", "n"])].concat();
    let sending = send(&wire, burst.repeat(COUNT as usize));
    for expected in 1..=COUNT {
        assert_eq!(wire.read().unwrap(), Reply::bulk(&value));
        assert_eq!(wire.read().unwrap(), Reply::Integer(expected));
    }
    sending.join().unwrap();
}

#[test]
fn a_pipeline_whose_replies_nobody_reads_yet_is_taken_to_its_end() {
    const COUNT: usize = 100_000;
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let value = "v".repeat(100);
    wire.call(&["SET", "k", &value]);
    let bytes = request(&["GET", "k"]).repeat(COUNT);
    let before = bytes_read(&server);
    wire.send_raw(&bytes).unwrap();
    eventually("everything is read", || bytes_read(&server) == before + bytes.len() as u64);
    for _ in 0..COUNT {
        assert_eq!(wire.read().unwrap(), Reply::bulk(&value));
    }
    assert_eq!(wire.ask("PING"), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn one_client_s_pipeline_leaves_room_for_others() {
    let server = server(&["--io-threads", "1"]);
    let mut busy = connect(&server);
    let bytes = [request(&["INCR", "n"]).repeat(300_000), request(&["ECHO", "end"])].concat();
    let sending = send(&busy, bytes);
    eventually("the pipeline has begun", || bytes_read(&server) > 100_000);
    let mut other = connect(&server);
    let seen = match other.ask("GET n") {
        Reply::Bulk(digits) => String::from_utf8(digits).unwrap().parse::<i64>().unwrap(),
        reply => panic!("{reply:?}"),
    };
    assert!(seen < 300_000, "the other client had to wait for the whole pipeline");
    while busy.read().unwrap() != Reply::bulk("end") {}
    sending.join().unwrap();
}

/// A worker reads for all of its clients into one buffer, which those fill who always have more to say.
#[test]
fn many_who_flood_leave_room_for_others() {
    const FLOODS: usize = 24;
    let server = server(&["--io-threads", "1"]);
    let bytes = [request(&["GET", "k"]).repeat(100_000), request(&["ECHO", "end"])].concat();
    let mut floods: Vec<Wire> = (0..FLOODS).map(|_| connect(&server)).collect();
    let senders: Vec<_> = floods.iter().map(|flood| send(flood, bytes.clone())).collect();
    eventually("the flood has begun", || bytes_read(&server) > 1_000_000);
    let mut other = connect(&server);
    assert_eq!(other.ask("PING"), Reply::Status(b"PONG".to_vec()));
    assert!(bytes_read(&server) < (FLOODS * bytes.len()) as u64, "the other client had to wait for all");
    for flood in &mut floods {
        while flood.read().unwrap() != Reply::bulk("end") {}
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn a_long_value_and_many_arguments_arrive_whole() {
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let long: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(wire.call(&[b"SET".as_slice(), b"long", &long]), Reply::ok());
    assert!(wire.ask("GET long") == Reply::Bulk(long));
    let keys: Vec<String> = (0..200_000).map(|n| format!("k{n}")).collect();
    let mut mset = vec!["MSET"];
    mset.extend(keys.iter().flat_map(|key| [key.as_str(), key.as_str()]));
    assert_eq!(wire.call(&mset), Reply::ok());
    let mget: Vec<&str> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    let expected = keys.iter().map(|key| Reply::bulk(key)).collect();
    assert!(wire.call(&mget) == Reply::Array(expected));
}

/// What is malformed, and the error that real servers answer before they close.
const MALFORMED: &[(&[u8], &str)] = &[
    (b"*abc\r\n", "invalid multibulk length"),
    (b"*1x\r\n", "invalid multibulk length"),
    (b"* 1\r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*9223372036854775808\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*1\r\n:3\r\n", "expected '$', got ':'"),
    (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
    (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
    (b"*1\r\n\r\n\r\n", "expected '$', got '\r'"),
    (b"*1\r\n\n\r\n", "expected '$', got '\n'"),
    (b"*1\r\n$abc\r\n", "invalid bulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n$18446744073709551616\r\n", "invalid bulk length"),
    (b"*2\r\n$3\r\nGET\r\n$4x\r\nkey1\r\n", "invalid bulk length"),
    (b"SET k \"v\r\n", "unbalanced quotes in request"),
    (b"SET k 'v\r\n", "unbalanced quotes in request"),
    (b"SET k \"v\"x\r\n", "unbalanced quotes in request"),
];

#[test]
fn a_malformed_request_is_answered_and_ends_the_connection() {
    let server = server(&["--io-threads", "1"]);
    for (bytes, text) in MALFORMED {
        let mut wire = connect(&server);
        // What came before is answered, what comes behind is not run.
        wire.send_raw(&[b"PING\r\n", *bytes, b"SET k leaked\r\n"].concat()).unwrap();
        assert_eq!(wire.read().unwrap(), Reply::Status(b"PONG".to_vec()));
        let expected = format!("ERR Protocol error: {}", text.replace(['\r', '\n'], " "));
        assert_eq!(wire.read().unwrap().error_text(), expected, "{}", bytes.escape_ascii());
        assert!(wire.is_closed(), "{}", bytes.escape_ascii());
    }
    assert_eq!(connect(&server).ask("GET k"), Reply::NilBulk);
}

#[test]
fn lines_without_an_end_are_given_up() {
    let server = server(&["--io-threads", "1"]);
    let cases: [(&[u8], &str); 3] = [
        (b"", "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
    ];
    for (start, text) in cases {
        let mut wire = connect(&server);
        wire.send_raw(&[start, &vec![b'1'; 66 * 1024]].concat()).unwrap();
        assert_eq!(wire.read().unwrap().error_text(), format!("ERR Protocol error: {text}"));
        assert!(wire.is_closed());
    }
}

#[test]
fn a_promise_of_much_costs_nothing() {
    let server = server(&["--io-threads", "1"]);
    let before = server.engine.used_memory();
    let promises: [&[u8]; 3] =
        [b"*2147483647\r\n", b"*2147483647\r\n$3\r\nGET\r\n", b"*2\r\n$3\r\nGET\r\n$536870912\r\n"];
    let wires: Vec<Wire> = (0..30)
        .map(|index| {
            let mut wire = connect(&server);
            wire.send_raw(promises[index % promises.len()]).unwrap();
            wire
        })
        .collect();
    eventually("all promises are read", || bytes_read(&server) >= 10 * (13 + 22 + 25));
    assert_eq!(connect(&server).ask("PING"), Reply::Status(b"PONG".to_vec()));
    // Other tests of this process allocate too; what must not happen would be gigabytes.
    assert!(server.engine.used_memory().saturating_sub(before) < 1 << 30);
    drop(wires);
}

#[test]
fn what_follows_config_set_in_a_pipeline_runs_under_it() {
    let server = server(&["--io-threads", "1"]);
    let mut wire = connect(&server);
    let mut bytes = Vec::new();
    bytes.extend(request(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]));
    for command in [&["SLOWLOG", "RESET"][..], &["PING"], &["SLOWLOG", "LEN"]] {
        bytes.extend(request(command));
    }
    wire.send_raw(&bytes).unwrap();
    // Both the reset and the ping are slow by now.
    let replies = [Reply::ok(), Reply::ok(), Reply::Status(b"PONG".to_vec()), Reply::Integer(2)];
    expect(&mut wire, &replies, "pipeline");
}
