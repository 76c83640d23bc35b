//! Random requests that mostly make sense: words along the argument trees of the command table.
//!
//! ```text
//! SET   key value [NX|XX|…] [GET] [EX seconds|…]
//!       ▲   ▲     ▲ options: left out, out of order, twice, without their value, now and then
//!       │   └ numbers at the edges of every type, things that look like numbers, bytes, long texts
//!       └ one of a handful, so that commands meet
//! ```

use ochre::base::clock::{Clock, Time};
use ochre::commands::FAMILIES;
use ochre::dispatch::Command;
use ochre::spec::{Arg, ArgKind, CommandFlags};

use super::exceptions::{NOT_SENT, OPTIONS_NOT_SENT, SENT_RARELY};
use super::pair::{Request, Version, parse_version};

/// The keys that commands meet at; one is empty, one is binary.
pub const KEYS: [&[u8]; 5] = [b"a", b"b", b"c", b"", b"\r\n\0\xff"];

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
const PATTERNS: &[&str] = &["*", "a*", "?", "[a-b]", "[^a]", "\\*", "[", "a", "", "**", "*a*"];
/// Far enough away to be there when both servers are asked.
const SECONDS: &[&str] =
    &["100", "99", "5000", "0", "-1", "9223372036854775", "9223372036854775807", "-9223372036854775808"];
const MILLISECONDS: &[&str] = &["9999", "90000", "0", "-1", "9223372036854775807", "9223372036854770000"];
const DATABASES: &[&str] = &["0", "1", "2", "1", "-1", "16", "99999999999"];
const COUNTS: &[&str] = &["1", "2", "3", "0", "-1"];

/// Bytes of the long texts.
const LONG_BYTES: usize = 20_000;
const MIDDLE_BYTES: usize = 100;
/// Most commands of a sequence.
const COMMANDS_MAX: u64 = 30;
/// Their cost grows with the product of two long values.
const QUADRATIC: &[&str] = &["lcs"];

/// Chance from a seed: splitmix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len() as u64) as usize]
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// A command that is sent, with the words of its name.
struct Candidate {
    command: &'static Command,
    full_name: String,
}

/// Makes sequences.
pub struct Generator {
    candidates: Vec<Candidate>,
    version: Version,
}

impl Generator {
    pub fn new(oracle_knows: impl Fn(&str) -> bool, version: Version) -> Generator {
        let mut candidates = Vec::new();
        for command in FAMILIES.iter().flat_map(|family| family.iter()) {
            let name = command.spec.name;
            let subcommands =
                command.subcommands.iter().map(|sub| (sub, format!("{name}|{}", sub.spec.name)));
            let alone = command.subcommands.is_empty().then(|| (command, name.to_owned()));
            for (command, full_name) in alone.into_iter().chain(subcommands) {
                let is_out = |(out, _): &(&str, &str)| *out == name || *out == full_name;
                let waits = command.spec.flags.contains(CommandFlags::BLOCKING);
                if !waits && !NOT_SENT.iter().any(is_out) && oracle_knows(&full_name) {
                    candidates.push(Candidate { command, full_name });
                }
            }
        }
        assert!(!candidates.is_empty(), "the real server knows no command");
        Generator { candidates, version }
    }

    /// Number of commands that are sent.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    pub fn sequence(&self, chance: &mut Chance) -> Vec<Request> {
        // Either long values or commands that are slow with them.
        let long = chance.percent(15);
        let count = 2 + chance.below(COMMANDS_MAX - 1);
        let mut sequence = Vec::new();
        while (sequence.len() as u64) < count {
            let candidate = chance.pick(&self.candidates);
            let container = candidate.full_name.split('|').next();
            let is_rare = SENT_RARELY.iter().any(|(rare, _)| Some(*rare) == container);
            let is_slow = long && QUADRATIC.contains(&candidate.full_name.as_str());
            if !is_slow && (!is_rare || chance.percent(10)) {
                sequence.push(self.request(candidate, Writer { chance, long, version: self.version }));
            }
        }
        sequence
    }

    fn request(&self, candidate: &Candidate, mut writer: Writer<'_>) -> Request {
        let mut request: Request = candidate.full_name.split('|').map(|word| writer.cased(word)).collect();
        let args = candidate.command.spec.args;
        let is_ours = |arg: &&Arg| {
            let is_out =
                |(name, token): &(&str, &str)| *name == candidate.full_name && arg.token == Some(token);
            OPTIONS_NOT_SENT.iter().any(is_out)
        };
        // Words that must stand where they stand, and options, which may not.
        let mut pieces: Vec<(bool, Request)> = Vec::new();
        for arg in args.iter().filter(|arg| !is_ours(arg)) {
            let mut piece = Vec::new();
            writer.write(arg, &mut piece);
            if !piece.is_empty() {
                pieces.push((arg.optional, piece));
            }
        }
        let first_option = pieces.iter().position(|(optional, _)| *optional).unwrap_or(pieces.len());
        let options = &mut pieces[first_option..];
        if options.iter().all(|(optional, _)| *optional) && writer.chance.percent(30) {
            writer.chance.shuffle(options);
        }
        if !options.is_empty() && writer.chance.percent(7) {
            let twice = writer.chance.pick(options).clone();
            pieces.push(twice);
        }
        for (optional, mut piece) in pieces {
            if optional && writer.chance.percent(3) {
                piece.pop();
            }
            request.extend(piece);
        }
        match writer.chance.below(100) {
            0..3 => drop(request.pop()),
            3..5 => request.push(writer.anything()),
            _ => {}
        }
        if request.is_empty() { vec![b"PING".to_vec()] } else { request }
    }
}

/// Writes the words of one request.
struct Writer<'c> {
    chance: &'c mut Chance,
    long: bool,
    version: Version,
}

impl Writer<'_> {
    fn write(&mut self, arg: &Arg, out: &mut Request) {
        if arg.since.is_some_and(|since| parse_version(since) > self.version) {
            return;
        }
        if arg.optional && self.chance.percent(60) {
            return;
        }
        let times = if arg.multiple { 1 + self.chance.below(3) } else { 1 };
        for time in 0..times {
            if let Some(token) = arg.token
                && (time == 0 || arg.multiple_token)
            {
                let word = self.cased(token);
                out.push(word);
            }
            self.once(arg, out);
        }
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
            ArgKind::Block => arg.parts.iter().for_each(|part| self.write(part, out)),
            _ => {
                let word = self.value(arg);
                out.push(word);
            }
        }
    }

    fn value(&mut self, arg: &Arg) -> Vec<u8> {
        if self.chance.percent(3) {
            return self.anything();
        }
        let list = match (arg.kind, arg.name) {
            (ArgKind::Key, _) => return self.chance.pick(&KEYS).to_vec(),
            (ArgKind::UnixTime, name) => return self.unix_time(name.contains("milli")),
            (ArgKind::Integer, "seconds") => SECONDS,
            (ArgKind::Integer, "milliseconds") => MILLISECONDS,
            (ArgKind::Integer, "db" | "index" | "index1" | "index2" | "destination-db") => DATABASES,
            (ArgKind::Integer, "numkeys" | "count") => COUNTS,
            (ArgKind::Integer, _) => NUMBERS,
            (ArgKind::Double, _) => DOUBLES,
            (ArgKind::Pattern, _) => PATTERNS,
            _ => return self.text(),
        };
        if self.chance.percent(20) {
            return self.chance.pick(NUMBERS).as_bytes().to_vec();
        }
        self.chance.pick(list).as_bytes().to_vec()
    }

    fn text(&mut self) -> Vec<u8> {
        match self.chance.below(12) {
            0..4 => self.chance.pick(NUMBERS).as_bytes().to_vec(),
            4..6 => self.chance.pick(DOUBLES).as_bytes().to_vec(),
            6..9 => self.chance.pick(TEXTS).as_bytes().to_vec(),
            9 => b"\0\xff\r\n\x80".to_vec(),
            10 => b"abcdefghij".repeat(MIDDLE_BYTES / 10),
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

    fn anything(&mut self) -> Vec<u8> {
        if self.chance.percent(30) { self.chance.pick(&KEYS).to_vec() } else { self.text() }
    }

    /// A word as it is, or in some other case.
    fn cased(&mut self, word: &str) -> Vec<u8> {
        if self.chance.percent(10) {
            word.to_ascii_lowercase().into()
        } else {
            word.to_ascii_uppercase().into()
        }
    }
}
