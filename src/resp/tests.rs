//! The decoder fed in every way a network can, and the encoder's output byte for byte.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Feeds `bytes` cut at `cuts` and collects the requests.
fn decode_all(bytes: &[u8], step: usize, limits: &Limits) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
    let mut decoder = Decoder::default();
    let (mut start, mut end) = (0, 0);
    let mut requests = Vec::new();
    loop {
        let window = &bytes[start..end];
        let decoded = decoder.decode(window, limits, 3);
        requests.extend(decoder.requests(window).map(|args| args.iter().map(<[u8]>::to_vec).collect()));
        start += decoder.consume(decoder.len());
        match decoded {
            Decoded::Full => {}
            Decoded::Incomplete if end == bytes.len() => return Ok(requests),
            Decoded::Incomplete => end = (end + step).min(bytes.len()),
            Decoded::Error(error) => return Err(error),
        }
    }
}

fn error_of(bytes: &[u8]) -> String {
    let error = decode_all(bytes, bytes.len(), &Limits::default()).unwrap_err();
    error.text().escape_ascii().to_string().replace("\\'", "'")
}

#[test]
fn requests_survive_every_cut() {
    let stream =
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*0\r\n\r\nset \"a b\" 'c'\r\n*1\r\n$0\r\n\r\n*-1\r\n";
    let whole = decode_all(stream, stream.len(), &Limits::default()).unwrap();
    assert_eq!(whole.len(), 7);
    assert_eq!(whole[4], vec![b"set".to_vec(), b"a b".to_vec(), b"c".to_vec()]);
    for step in 1..stream.len() {
        assert_eq!(decode_all(stream, step, &Limits::default()).unwrap(), whole, "step {step}");
    }
}

#[test]
fn requests_that_did_not_run_are_decoded_again() {
    let stream = b"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n*2\r\n$1\r\nc\r\n$1";
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(stream, &Limits::default(), 8), Decoded::Incomplete);
    assert_eq!(decoder.len(), 2);
    let taken = decoder.consume(1);
    let rest = &stream[taken..];
    assert_eq!(decoder.decode(rest, &Limits::default(), 8), Decoded::Incomplete);
    assert_eq!(decoder.requests(rest).next().unwrap().at(0), b"b");
    let taken = decoder.consume(1);
    let whole = [&rest[taken..], b"\r\nd\r\n"].concat();
    assert_eq!(decoder.decode(&whole, &Limits::default(), 8), Decoded::Incomplete);
    assert_eq!(decoder.requests(&whole).next().unwrap().iter().collect::<Vec<_>>(), [b"c", b"d"]);
}

#[test]
fn whole_requests_of_many_are_read_together() {
    let (one, other): (&[u8], &[u8]) = (b"*1\r\n$1\r\na\r\n", b"*2\r\n$1\r\nb\r\n$100\r\n");
    let long = [other, &[b'x'; 100], b"\r\n"].concat();
    let parts: [(&[u8], Option<usize>); 8] = [
        (one, Some(1)),
        (&one[..7], None),
        (&[&long, one].concat(), Some(2)),
        (&[one, other].concat(), None),
        (b"PING\r\n", None),
        (b"*1\r\n#1\r\n", None),
        (&one.repeat(4), None),
        (&one.repeat(3), Some(3)),
    ];
    let bytes: Vec<u8> = parts.iter().flat_map(|(part, _)| part.iter().copied()).collect();
    let mut decoder = Decoder::default();
    let mut start = 0;
    for (part, expected) in parts {
        let range = start..start + part.len();
        assert_eq!(decoder.decode_whole(&bytes, range, &Limits::default(), 3), expected, "{start}");
        start += part.len();
    }
    let words: Vec<Vec<&[u8]>> = decoder.requests(&bytes).map(|args| args.iter().collect()).collect();
    let a = || vec![b"a".as_slice()];
    assert_eq!(words, [a(), vec![b"b", &[b'x'; 100]], a(), a(), a(), a()]);
    assert_eq!((decoder.end(0), decoder.end(1)), (one.len(), one.len() + 7 + long.len()));
    decoder.clear();
    assert_eq!(decoder.decode(one, &Limits::default(), 3), Decoded::Incomplete);
    assert_eq!(decoder.len(), 1);
}

#[test]
fn malformed_requests_get_redis_texts() {
    assert_eq!(error_of(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"), "Protocol error: expected '$', got 'f'");
    assert_eq!(error_of(b"*1\r\n\xff4\r\n"), "Protocol error: expected '$', got '\\xff'");
    // An empty line is a whole one.
    assert_eq!(error_of(b"*1\r\n\r\n"), "Protocol error: expected '$', got '\\r'");
    assert_eq!(error_of(b"*3000000000\r\n"), "Protocol error: invalid multibulk length");
    assert_eq!(error_of(b"*1a\r\n"), "Protocol error: invalid multibulk length");
    assert_eq!(error_of(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
    assert_eq!(error_of(b"*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length");
    assert_eq!(error_of(b"*1\r\n$01\r\n"), "Protocol error: invalid bulk length");
    assert_eq!(error_of(b"set \"a\r\n"), "Protocol error: unbalanced quotes in request");
    assert_eq!(error_of(&[b'a'; 70_000]), "Protocol error: too big inline request");
    assert_eq!(
        error_of(&[&b"*"[..], &[b'1'; 70_000]].concat()),
        "Protocol error: too big mbulk count string"
    );
    assert_eq!(
        error_of(&[&b"*1\r\n$"[..], &[b'1'; 70_000]].concat()),
        "Protocol error: too big bulk count string"
    );
}

#[test]
fn huge_announcements_allocate_nothing() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(b"*2147483647\r\n$536870912\r\n", &Limits::default(), 1), Decoded::Incomplete);
    assert!(decoder.heap_bytes() < 1024);
}

#[test]
fn it_is_known_where_an_argument_ends() {
    let mut decoder = Decoder::default();
    let begun = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900\r\nvvv";
    assert_eq!(decoder.awaited_end(), None);
    assert!(matches!(decoder.decode(begun, &Limits::default(), 1), Decoded::Incomplete));
    assert_eq!(decoder.awaited_end(), Some(begun.len() - 3 + 902));
}

#[test]
fn strangers_get_small_requests_only() {
    let limits = Limits { unauthenticated: true, ..Limits::default() };
    let error = decode_all(b"*11\r\n", 5, &limits).unwrap_err();
    assert_eq!(error.to_string(), "Protocol error: unauthenticated multibulk length");
    let error = decode_all(b"*1\r\n$16385\r\n", 16, &limits).unwrap_err();
    assert_eq!(error.to_string(), "Protocol error: unauthenticated bulk length");
}

fn encoded(proto: Proto, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Output::default();
    write(&mut out.writer(proto));
    drain(&mut out, 7)
}

/// Sends in pieces of at most `step` bytes.
fn drain(out: &mut Output, step: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    while !out.is_empty() {
        let before = out.len();
        let mut slices = [std::io::IoSlice::new(&[]); 3];
        let count = out.slices(&mut slices);
        let piece: Vec<u8> =
            slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
        let len = piece.len();
        sent.extend(piece);
        out.advance(len);
        assert_eq!(out.len(), before - len);
    }
    sent
}

#[test]
fn values_in_both_protocols() {
    let write = |w: &mut Writer<'_>| {
        w.status("OK");
        w.error(b"ERR a\r\nb");
        w.int(-5);
        w.int(1234);
        w.bulk(b"hello world");
        w.null();
        w.null_array();
        w.boolean(true);
        w.double(1.5);
        w.map(1);
        w.set(0);
        w.push(0);
        w.verbatim(b"txt", b"hi");
        w.big_number(b"1\0\r\n2");
    };
    assert_eq!(
        encoded(Proto::Resp2, write),
        b"+OK\r\n-ERR a  b\r\n:-5\r\n:1234\r\n$11\r\nhello world\r\n$-1\r\n*-1\r\n:1\r\n$3\r\n1.5\r\n*2\r\n*0\r\n*0\r\n$2\r\nhi\r\n$5\r\n1\0\r\n2\r\n"
    );
    assert_eq!(
        encoded(Proto::Resp3, write),
        b"+OK\r\n-ERR a  b\r\n:-5\r\n:1234\r\n$11\r\nhello world\r\n_\r\n_\r\n#t\r\n,1.5\r\n%1\r\n~0\r\n>0\r\n=6\r\ntxt:hi\r\n(1\0  2\r\n"
    );
}

#[test]
fn counted_arrays_and_shared_values() {
    let big = Bytes::from(vec![b'x'; 20_000]);
    let bytes = encoded(Proto::Resp2, |w| {
        w.status("first");
        w.array_counted(|w| {
            w.bulk(b"a");
            w.bulk_shared(big.clone());
            2
        });
    });
    let mut expected = b"+first\r\n*2\r\n$1\r\na\r\n$20000\r\n".to_vec();
    expected.extend_from_slice(&big);
    expected.extend_from_slice(b"\r\n");
    assert!(bytes == expected);
}

#[test]
fn a_long_reply_lies_in_chunks() {
    let mut out = Output::default();
    let mut writer = out.writer(Proto::Resp2);
    writer.array_counted(|w| {
        (0..100_000).for_each(|_| w.bulk(b"element"));
        100_000
    });
    assert!(out.chunk_count() > 2);
    // No byte of it was copied to a longer place.
    assert!(out.heap_bytes() < out.len() + 512 * 1024);
    let sent = drain(&mut out, 70_000);
    assert!(sent.starts_with(b"*100000\r\n$7\r\nelement\r\n") && sent.ends_with(b"\r\n$7\r\nelement\r\n"));
    assert_eq!(sent.len(), b"*100000\r\n".len() + 100_000 * b"$7\r\nelement\r\n".len());
}

proptest! {
    #[test]
    fn truncate_returns_to_the_mark(sizes in proptest::collection::vec((0usize..40_000, any::<bool>()), 1..24), keep in 0usize..24) {
        let mut out = Output::default();
        let mut expected = Vec::new();
        let keep = keep.min(sizes.len());
        let mut mark = 0;
        for (index, (size, shared)) in sizes.iter().enumerate() {
            if index == keep {
                mark = out.mark();
                expected = snapshot(&out);
            }
            let value = Bytes::from(vec![b'v'; *size]);
            let mut writer = out.writer(Proto::Resp2);
            if *shared { writer.bulk_shared(value) } else { writer.bulk(&value) }
        }
        if keep < sizes.len() {
            out.truncate(mark);
            prop_assert!(snapshot(&out) == expected);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..20) {
        let _ = decode_all(&bytes, step, &Limits::default());
    }

    #[test]
    fn cutting_does_not_matter(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..6), step in 1usize..40) {
        let mut stream = format!("*{}\r\n", words.len()).into_bytes();
        for word in &words {
            stream.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            stream.extend_from_slice(word);
            stream.extend_from_slice(b"\r\n");
        }
        let requests = decode_all(&stream, step, &Limits::default()).unwrap();
        prop_assert_eq!(requests, vec![words]);
    }
}

fn snapshot(out: &Output) -> Vec<u8> {
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let count = out.slices(&mut slices);
    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn numbers_of_every_length() {
    let powers = (0..19).map(|exponent| 10_i64.pow(exponent));
    let edges = powers.flat_map(|power| [power - 1, power, power + 1, power.saturating_mul(9)]);
    for value in edges.chain([i64::MAX - 1, i64::MAX]) {
        for value in [value, -value, !value] {
            let line = format!(":{value}\r\n");
            assert_eq!(encoded(Proto::Resp2, |writer| writer.int(value)), line.as_bytes());
        }
    }
}

#[test]
fn an_output_is_produced_up_to_its_limit() {
    let value = [b'v'; 1_000];
    let mut output = Output::default();
    output.set_limit(100_000);
    let mut writer = output.writer(Proto::Resp2);
    writer.array_counted(|writer| {
        (0..1_000_000).for_each(|_| writer.bulk(&value));
        1_000_000
    });
    assert!(output.is_over());
    assert!((100_000..110_000).contains(&output.len()) && output.heap_bytes() < 300_000);
    // Long values too, which are held by reference.
    let shared = Bytes::from(vec![0; 60_000]);
    let mut output = Output::default();
    output.set_limit(100_000);
    (0..2).for_each(|_| output.writer(Proto::Resp2).bulk_shared(shared.clone()));
    assert!(!output.is_over());
    output.writer(Proto::Resp2).bulk_shared(shared);
    assert!(output.is_over() && output.len() < 121_000);
}
