//! Users: what ACL SETUSER and the lines of a file accept is written by ACL SAVE, ACL LIST and CONFIG REWRITE as lines that make the
//! same users again, who may run the same requests. What is refused changes nothing.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ochre::acl::check::{ChannelsUsed, KeysUsed};
use ochre::acl::{Acl, Touches, User};
use ochre::base::words::split_args;
use ochre::commands::FAMILIES;
use ochre::dispatch::table::catalogue;
use ochre::resp::{Args, OwnedArgs};
use ochre::spec::KeyFlags;

#[derive(Arbitrary, Debug)]
enum Rule {
    /// One of [`WORDS`].
    Word(u8),
    /// One of [`PREFIXES`], and what follows it.
    Prefixed(u8, Vec<u8>),
    /// A command, by its number.
    Command {
        allow: bool,
        number: u16,
    },
    FirstArg {
        number: u16,
        word: Vec<u8>,
    },
    Category {
        allow: bool,
        number: u8,
    },
    Hash {
        add: bool,
        byte: u8,
    },
    Selector(Vec<Rule>),
    Raw(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Step {
    Set {
        user: u8,
        rules: Vec<Rule>,
    },
    /// The text of a file, whose lines are rules of users.
    Load(Vec<(Vec<u8>, Vec<Rule>)>),
    LoadRaw(Vec<u8>),
    PubsubDefault(bool),
}

const WORDS: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    "reset",
    "allkeys",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "allcommands",
    "nocommands",
    "clearselectors",
    "sanitize-payload",
    "skip-sanitize-payload",
    "~*",
    "%RW~*",
    "&*",
    "+@all",
    "-@all",
];
const PREFIXES: &[&str] =
    &["~", "%R~", "%W~", "%RW~", "%", "&", "+", "-", "+@", "-@", ">", "<", "#", "!", "(", ""];
const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "all",
];

/// One in how many commands is asked for.
const STRIDE: usize = 7;

/// Numbers and names of commands, and whether they are subcommands.
static COMMANDS: LazyLock<Vec<(u16, String, bool)>> = LazyLock::new(|| {
    let catalogue = catalogue(FAMILIES);
    let mut found = Vec::new();
    for command in FAMILIES.iter().flat_map(|family| family.iter()) {
        let name = command.spec.name.to_lowercase();
        let subcommands =
            command.subcommands.iter().map(|sub| format!("{name}|{}", sub.spec.name.to_lowercase()));
        found.extend(std::iter::once(name.clone()).chain(subcommands));
    }
    let facts =
        |name: String| catalogue.find(name.as_bytes()).map(|facts| (facts.id, name, facts.parent.is_some()));
    found.into_iter().filter_map(facts).collect()
});

fn name_of(number: u16) -> &'static str {
    &COMMANDS[usize::from(number) % COMMANDS.len()].1
}

fn pick(words: &'static [&'static str], number: u8) -> &'static str {
    words[usize::from(number) % words.len()]
}

fn sign(allow: bool) -> &'static str {
    if allow { "+" } else { "-" }
}

impl Rule {
    fn text(&self, depth: usize) -> Vec<u8> {
        match self {
            Rule::Word(number) => pick(WORDS, *number).into(),
            Rule::Prefixed(number, rest) => [pick(PREFIXES, *number).as_bytes(), rest].concat(),
            Rule::Command { allow, number } => format!("{}{}", sign(*allow), name_of(*number)).into(),
            Rule::FirstArg { number, word } => [b"+", name_of(*number).as_bytes(), b"|", word].concat(),
            Rule::Category { allow, number } => {
                format!("{}@{}", sign(*allow), pick(CATEGORIES, *number)).into()
            }
            Rule::Hash { add, byte } => {
                let hash = format!("{byte:02x}").repeat(32);
                format!("{}{hash}", if *add { '#' } else { '!' }).into()
            }
            Rule::Selector(rules) if depth < 2 => [b"(", &*line(rules, depth + 1), b")"].concat(),
            Rule::Selector(_) => Vec::new(),
            Rule::Raw(bytes) => bytes.clone(),
        }
    }
}

fn line(rules: &[Rule], depth: usize) -> Vec<u8> {
    rules.iter().map(|rule| rule.text(depth)).collect::<Vec<_>>().join(&b' ')
}

/// Made once, because a catalogue of all commands takes longer than all the rest.
static USERS: LazyLock<[Acl; 2]> = LazyLock::new(|| [(); 2].map(|()| Acl::new(catalogue(FAMILIES))));

/// As after the start of a server.
fn fresh(acl: &Acl, all_channels: bool) -> &Acl {
    assert!(acl.load(Path::new(""), b"").is_ok());
    acl.set_pubsub_default(all_channels);
    acl
}

fuzz_target!(|steps: Vec<Step>| {
    let [acl, other] = &*USERS;
    fresh(acl, false);
    for step in &steps {
        let before = acl.to_text();
        let is_accepted = match step {
            Step::Set { user, rules } => {
                let words: Vec<Vec<u8>> = rules.iter().map(|rule| rule.text(0)).collect();
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                let name: &[u8] = if user % 4 == 0 { b"default" } else { &[b'a' + user % 4] };
                acl.set_user(name, &words).is_ok()
            }
            Step::Load(users) => {
                let line = |(name, rules): &(Vec<u8>, Vec<Rule>)| {
                    [b"user ", &**name, b" ", &line(rules, 0), b"\n"].concat()
                };
                acl.load(Path::new("users.acl"), &users.iter().map(line).collect::<Vec<_>>().concat()).is_ok()
            }
            Step::LoadRaw(text) => acl.load(Path::new("users.acl"), text).is_ok(),
            Step::PubsubDefault(all_channels) => {
                acl.set_pubsub_default(*all_channels);
                true
            }
        };
        if !is_accepted {
            assert!(acl.to_text() == before, "what was refused has changed something");
        }
    }
    for all_channels in [false, true] {
        comes_back(acl, other, all_channels);
    }
});

/// By every road that users take into files, where new users have all channels or none.
fn comes_back(acl: &Acl, other: &Acl, all_channels: bool) {
    let loaded = fresh(other, all_channels).load(Path::new("users.acl"), &acl.to_text());
    assert!(loaded.is_ok(), "{}", loaded.err().unwrap_or_default().escape_ascii());
    same(acl, other);
    fresh(other, all_channels);
    for line in acl.declarations() {
        assert_eq!(other.declare(&split_args(line.as_bytes()).expect("a line of words")), Ok(()));
    }
    same(acl, other);
}

fn same(one: &Acl, other: &Acl) {
    let (ours, theirs) = (one.users(), other.users());
    assert_eq!(ours.len(), theirs.len());
    for (mine, yours) in ours.iter().zip(&theirs) {
        assert_eq!(mine.file_line().escape_ascii().to_string(), yours.file_line().escape_ascii().to_string());
        assert_eq!(mine.line().escape_ascii().to_string(), yours.line().escape_ascii().to_string());
        assert!(mine.rules.flags().eq(yours.rules.flags()));
        let [my_hashes, your_hashes] = [mine, yours]
            .map(|user| user.rules.passwords().iter().map(|hash| hash.to_hex()).collect::<Vec<_>>());
        assert_eq!(my_hashes, your_hashes);
        // Who lost a command and got it back may do everything, but is asked each time.
        assert!(yours.is_unlimited || !mine.is_unlimited);
        may_do_the_same(mine, yours);
    }
}

/// Asks for commands, and for what the rules name.
fn may_do_the_same(mine: &User, yours: &User) {
    let rules = mine.file_line();
    let behind = |mark: u8| {
        let words = rules.split(|byte| *byte == b' ');
        let marked = words.filter_map(move |word| word.splitn(2, |byte| *byte == mark).nth(1));
        marked.map(|word| word.strip_suffix(b")").unwrap_or(word))
    };
    let listens_alike =
        |channel: &[u8]| assert_eq!(mine.may_listen(channel, true), yours.may_listen(channel, true));
    let plain = OwnedArgs::from_slices([b"name".as_slice(), b"word", b"word", b"key", b"channel"]);
    // Not all of them each time: other rules ask for others.
    for (id, _, is_subcommand) in COMMANDS.iter().skip(rules.len() % STRIDE).step_by(STRIDE) {
        ask(mine, yours, (*id, *is_subcommand), KeyFlags::ACCESS, &plain);
    }
    listens_alike(b"channel");
    for word in behind(b'|').chain(behind(b'~')).chain(behind(b'&')).take(8) {
        let words = OwnedArgs::from_slices([b"name", word, word, word, word]);
        for (id, _, is_subcommand) in COMMANDS.iter().step_by(29) {
            for flags in [KeyFlags::ACCESS, KeyFlags::UPDATE, KeyFlags::ACCESS.union(KeyFlags::UPDATE)] {
                ask(mine, yours, (*id, *is_subcommand), flags, &words);
            }
        }
        listens_alike(word);
    }
}

/// `words` are a name, two words, a key and a channel.
fn ask(mine: &User, yours: &User, (id, is_subcommand): (u16, bool), flags: KeyFlags, words: &OwnedArgs) {
    let asked = Asked { id, is_subcommand, args: words.as_args(), flags };
    assert_eq!(mine.check(&asked), yours.check(&asked));
}

/// A request with one key, one channel and one pattern of channels.
struct Asked<'a> {
    id: u16,
    is_subcommand: bool,
    args: Args<'a>,
    flags: KeyFlags,
}

impl Touches for Asked<'_> {
    fn command(&self) -> u16 {
        self.id
    }

    fn is_subcommand(&self) -> bool {
        self.is_subcommand
    }

    fn is_for_strangers(&self) -> bool {
        false
    }

    fn args(&self) -> &Args<'_> {
        &self.args
    }

    fn keys(&self) -> KeysUsed {
        [(3, self.flags)].into_iter().collect()
    }

    fn channels(&self) -> ChannelsUsed {
        [(4, false), (4, true)].into_iter().collect()
    }
}
