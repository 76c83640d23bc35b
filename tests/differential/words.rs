//! Words for arguments: small pools, so that they meet again, with every edge that numbers and texts have.

use ochre::base::clock::{Clock, Time};
use ochre::spec::{Arg, ArgKind, Group};

use super::chance::Chance;
use super::pair::{Request, Version, parse_version};

/// The keys that commands meet at, with the group of commands that mostly uses them. One is empty, one is binary, and
/// some are named as elements are, for SORT BY.
pub const KEYS: [(&[u8], Group); 17] = [
    (b"s", Group::String),
    (b"s2", Group::String),
    (b"bits", Group::Bitmap),
    (b"l", Group::List),
    (b"l2", Group::List),
    (b"h", Group::Hash),
    (b"h2", Group::Hash),
    (b"u", Group::Set),
    (b"u2", Group::Set),
    (b"z", Group::SortedSet),
    (b"z2", Group::SortedSet),
    (b"p", Group::HyperLogLog),
    (b"p2", Group::HyperLogLog),
    (b"g", Group::Geo),
    (b"t", Group::Stream),
    (b"", Group::Generic),
    (b"\r\n\0\xff", Group::Generic),
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "10",
    "-2",
    "100",
    "-100",
    "9007199254740992",
    "-9007199254740993",
    "2147483647",
    "-2147483649",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "+1",
    "01",
    "-0",
    " 1",
    "1 ",
    "1e3",
    "1.0",
    "0x10",
    "",
];
/// Numbers that lead somewhere.
const INTEGERS: &[&str] = &["0", "1", "2", "3", "5", "-1", "-2", "-3", "10", "-10"];
const DOUBLES: &[&str] = &[
    "0",
    "1.5",
    "-1.5",
    "0.1",
    "3.0",
    "1e3",
    "5.0e3",
    "1e308",
    "-1e308",
    "1e-320",
    "1e400",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "+inf",
    "infinity",
    "9007199254740993",
    "0x1p3",
    "1.",
    ".5",
    " 1",
    "1 ",
    "+1",
    "01",
    "1e",
    "1_0",
    "",
    "17179869184.000000001",
    "99999999999999999999",
];
const SCORES: &[&str] =
    &["0", "1", "2", "3", "-1", "1.5", "0.1", "-0", "inf", "-inf", "1e17", "123456789012", "-2.5e-7"];
const TEXTS: &[&str] = &[
    "v",
    "hello",
    "hello world",
    "foobar",
    "ohmytext",
    "mynewtext",
    "44",
    "embedded string, with 44 bytes, which is just",
    "",
];
/// Fields, members, elements.
const MEMBERS: &[&str] = &[
    "a", "b", "c", "d", "e", "f", "1", "2", "3", "4", "5", "6", "-5", "127", "128", "-4097", "32768", "01",
    "1e3", " 1", "aa", "ab", "A", "",
];
const PATTERNS: &[&str] = &["*", "l*", "?", "[h-u]", "[^a]", "\\*", "[", "a", "", "**", "*2*", "[0-9]*"];
const BY_PATTERNS: &[&str] = &["nosort", "s*", "h*->a", "h->*", "z*", "none_*", "*->", "#"];
const GET_PATTERNS: &[&str] = &["#", "s*", "h*->a", "h->*", "*", "none_*"];
const LEX_BOUNDS: &[&str] = &["-", "+", "[a", "(a", "[c", "(d", "[1", "[", "(", "a", "[zzz", "[aa"];
const SCORE_BOUNDS: &[&str] =
    &["-inf", "+inf", "0", "1", "2", "(1", "(2", "(inf", "(-inf", "1.5", "(", "nan", "(nan", "-1"];
const ENCODINGS: &[&str] =
    &["u8", "i8", "u1", "i1", "u63", "i64", "u16", "i5", "u64", "i65", "u0", "x8", "u"];
const BIT_OFFSETS: &[&str] =
    &["0", "1", "7", "8", "15", "100", "#0", "#1", "#3", "-1", "4294967296", "#-1", "#", "1000"];
const BYTE_POSITIONS: &[&str] = &["0", "1", "-1", "2", "-2", "5", "-100", "100"];
const LONGITUDES: &[&str] =
    &["0", "13.361389", "15.087269", "-122.4", "180", "-180", "179.99", "180.1", "1e-5", "14", "-0.1"];
const LATITUDES: &[&str] =
    &["0", "38.115556", "37.502669", "37.8", "85.05112878", "-85.05112878", "85.06", "-66.5", "38", "51.5"];
const LENGTHS: &[&str] = &["0", "1", "200", "1000", "5000", "20000", "0.5", "-1", "1e9", "inf"];
const IDS: &[&str] =
    &["*", "1-1", "1-*", "2", "3-3", "5-0", "0-0", "-", "+", "$", "(1-1", "18446744073709551615-1"];
/// Far enough away to be there when both servers are asked.
const SECONDS: &[&str] =
    &["100", "99", "5000", "0", "-1", "9223372036854775", "9223372036854775807", "-9223372036854775808"];
const MILLISECONDS: &[&str] = &["9999", "90000", "0", "-1", "9223372036854775807", "9223372036854770000"];
const DATABASES: &[&str] = &["0", "1", "2", "1", "-1", "16", "99999999999"];
const COUNTS: &[&str] = &["1", "2", "3", "5", "10", "0", "-1", "-3"];
const CURSORS: &[&str] = &["0", "0", "0", "0", "1", "-1", "x", "18446744073709551616"];
const TYPES: &[&str] = &["string", "list", "hash", "set", "zset", "stream", "HASH", "none"];

/// Bytes of the long texts.
const LONG_BYTES: usize = 20_000;
const MIDDLE_BYTES: usize = 100;
/// Most repetitions of an argument that repeats.
const TIMES_MAX: u64 = 12;

/// Writes the words of one request.
pub struct Writer<'c> {
    pub chance: &'c mut Chance,
    pub long: bool,
    pub version: Version,
    /// Whose keys are used.
    pub group: Group,
    /// Whether all members of sorted sets have the score 0.
    pub equal_scores: bool,
}

impl Writer<'_> {
    /// The words of every argument, and whether it is an option. A number that says how many arguments follow is mostly
    /// right.
    pub fn pieces(&mut self, args: &[Arg], is_out: impl Fn(&Arg) -> bool) -> Vec<(bool, Request)> {
        let mut pieces: Vec<(bool, Request)> = Vec::new();
        let mut count_at = None;
        for arg in args.iter().filter(|arg| !is_out(arg)) {
            let mut piece = Vec::new();
            let times = self.write(arg, &mut piece);
            if arg.multiple
                && let Some(at) = count_at.take()
                && self.chance.percent(92)
            {
                pieces[at] = (false, vec![times.to_string().into_bytes()]);
            }
            if matches!(arg.name, "numkeys" | "numfields") {
                count_at = Some(pieces.len());
            }
            pieces.push((arg.optional, piece));
        }
        pieces
    }

    /// How often the argument was written.
    fn write(&mut self, arg: &Arg, out: &mut Request) -> u64 {
        if arg.since.is_some_and(|since| parse_version(since) > self.version) {
            return 0;
        }
        if arg.optional && self.chance.percent(60) {
            return 0;
        }
        let times = match arg.multiple {
            true if self.chance.percent(25) => 1 + self.chance.below(TIMES_MAX),
            true => 1 + self.chance.below(3),
            false => 1,
        };
        for time in 0..times {
            if let Some(token) = arg.token
                && (time == 0 || arg.multiple_token)
            {
                let word = self.cased(token);
                out.push(word);
            }
            self.once(arg, out);
        }
        times
    }

    fn once(&mut self, arg: &Arg, out: &mut Request) {
        match arg.kind {
            ArgKind::PureToken => {}
            ArgKind::OneOf => {
                let version = self.version;
                let is_known = |part: &&Arg| part.since.is_none_or(|since| parse_version(since) <= version);
                let parts: Vec<&Arg> = arg.parts.iter().filter(is_known).collect();
                if !parts.is_empty() {
                    let part = *self.chance.pick(&parts);
                    self.write(part, out);
                }
            }
            ArgKind::Block => {
                let pieces = self.pieces(arg.parts, |_| false);
                out.extend(pieces.into_iter().flat_map(|(_, piece)| piece));
            }
            _ => {
                let word = self.value(arg);
                out.push(word);
            }
        }
    }

    fn value(&mut self, arg: &Arg) -> Vec<u8> {
        if self.equal_scores && matches!(arg.name, "score" | "increment") {
            return b"0".to_vec();
        }
        if self.chance.percent(2) {
            return self.anything();
        }
        let list = match (arg.kind, arg.name) {
            (ArgKind::Key, _) => return self.key(),
            (ArgKind::UnixTime, name) => return self.unix_time(name.contains("milli")),
            (ArgKind::Integer, "seconds") => SECONDS,
            (ArgKind::Integer, "milliseconds") => MILLISECONDS,
            (ArgKind::Integer, "db" | "index1" | "index2" | "destination-db") => DATABASES,
            (ArgKind::Integer, "index") if self.group == Group::Connection => DATABASES,
            (ArgKind::Integer, "numkeys" | "count") => COUNTS,
            (ArgKind::Integer, "cursor") => CURSORS,
            (ArgKind::Integer, "offset") if self.group == Group::Bitmap => BIT_OFFSETS,
            (ArgKind::Integer, "start" | "end") if self.group == Group::Bitmap => BYTE_POSITIONS,
            (ArgKind::Integer, "bit") => &["0", "1", "1", "0", "2"],
            (ArgKind::Double, "longitude") => LONGITUDES,
            (ArgKind::Double, "latitude") => LATITUDES,
            (ArgKind::Double, "radius" | "width" | "height") => LENGTHS,
            (ArgKind::Double, "min" | "max") => SCORE_BOUNDS,
            (ArgKind::String, "min" | "max") => LEX_BOUNDS,
            (ArgKind::String, "start" | "stop" | "end") => return self.bound(),
            (ArgKind::String, "encoding") => ENCODINGS,
            (ArgKind::String, "type") => TYPES,
            (ArgKind::String, "id" | "lastid" | "min-id" | "last-id") => IDS,
            (ArgKind::Integer, _) if self.chance.percent(70) => INTEGERS,
            (ArgKind::Integer, _) => NUMBERS,
            (ArgKind::Double, _) if self.chance.percent(70) => SCORES,
            (ArgKind::Double, _) => DOUBLES,
            (ArgKind::Pattern, "by-pattern") => BY_PATTERNS,
            (ArgKind::Pattern, "get-pattern") => GET_PATTERNS,
            (ArgKind::Pattern, _) => PATTERNS,
            _ if self.group != Group::String && self.chance.percent(80) => MEMBERS,
            _ => return self.text(),
        };
        if self.chance.percent(8) {
            return self.chance.pick(NUMBERS).as_bytes().to_vec();
        }
        self.chance.pick(list).as_bytes().to_vec()
    }

    /// Mostly one of the group.
    fn key(&mut self) -> Vec<u8> {
        let is_any = self.chance.percent(12);
        let fits = |(_, group): &&(&[u8], Group)| is_any || *group == self.group;
        let keys: Vec<_> = KEYS.iter().filter(fits).collect();
        let (key, _) = if keys.is_empty() { self.chance.pick(&KEYS) } else { self.chance.pick(&keys) };
        key.to_vec()
    }

    /// An end of a range of whatever kind.
    fn bound(&mut self) -> Vec<u8> {
        let list = *self.chance.pick(&[INTEGERS, SCORE_BOUNDS, LEX_BOUNDS]);
        self.chance.pick(list).as_bytes().to_vec()
    }

    fn text(&mut self) -> Vec<u8> {
        match self.chance.below(14) {
            0..4 => self.chance.pick(NUMBERS).as_bytes().to_vec(),
            4..6 => self.chance.pick(DOUBLES).as_bytes().to_vec(),
            6..9 => self.chance.pick(TEXTS).as_bytes().to_vec(),
            9..11 => self.chance.pick(MEMBERS).as_bytes().to_vec(),
            11 => b"\0\xff\r\n\x80".to_vec(),
            12 => b"abcdefghij".repeat(MIDDLE_BYTES / 10),
            _ if self.long => b"0123456789".repeat(LONG_BYTES / 10),
            _ => vec![b'x'; 1 + self.chance.below(70) as usize],
        }
    }

    /// Far away, long past, or no time at all.
    fn unix_time(&mut self, is_ms: bool) -> Vec<u8> {
        let now_ms = Time::system().now_ms().0;
        let soon = if is_ms { now_ms + 100_000 } else { now_ms / 1000 + 100 };
        match self.chance.below(6) {
            0..3 => soon.to_string().into_bytes(),
            3 => b"1".to_vec(),
            _ => self.chance.pick(NUMBERS).as_bytes().to_vec(),
        }
    }

    pub fn anything(&mut self) -> Vec<u8> {
        if self.chance.percent(30) { self.chance.pick(&KEYS).0.to_vec() } else { self.text() }
    }

    /// A word as it is, or in some other case.
    pub fn cased(&mut self, word: &str) -> Vec<u8> {
        if self.chance.percent(10) {
            word.to_ascii_lowercase().into()
        } else {
            word.to_ascii_uppercase().into()
        }
    }
}
