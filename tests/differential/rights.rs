//! Users with random rules, and what these let them run: ACL SETUSER, LIST and DRYRUN must say what the real server says.
//!
//! ```text
//! ACL SETUSER u reset -@dangerous +config|get ~foo:* (+get %R~b)      OK
//! ACL DRYRUN u GETRANGE foo:1 0 3                                     no permissions …
//! ```

use ochre::commands::FAMILIES;

use super::chance::Chance;
use super::pair::{Pair, Request};
use super::wire::{Reply, Wire};

/// Requests asked of one user.
pub const DECISIONS: usize = 40;

/// What is not asked about, and why.
const APART: &[(&str, &str)] = &[
    (
        "xread",
        "where its options make no sense Redis looks for the word STREAMS, and here it touches nothing",
    ),
    ("xreadgroup", "as XREAD"),
    ("migrate", "where its options make no sense Redis names a key, and here it touches nothing"),
];

const KEYS: &[&str] = &["a", "b", "ab", "foo", "foo:1", "bar:9", "obj:x", "{t}1", "", "*", "x[y]"];
const KEY_PATTERNS: &[&str] =
    &["*", "a*", "foo:*", "foo:?", "bar*", "f[ao]*", "?", "{t}*", "ab", "[a-c]", "x\\[y\\]", "*:*"];
const CHANNELS: &[&str] = &["ch", "ch:1", "news.a", "ch*", ""];
const CHANNEL_PATTERNS: &[&str] = &["*", "ch*", "news.*", "ch", "?"];
const WORDS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "GET",
    "SET",
    "STORE",
    "BY",
    "WEIGHTS",
    "STREAMS",
    "COUNT",
    "LEFT",
    "MIN",
    "KEYS",
    "u8",
    "STOREDIST",
    "REPLACE",
    "NX",
    "GROUP",
];
const WHOLE: &[&str] = &[
    "allkeys",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "allcommands",
    "nocommands",
    "reset",
    "nopass",
    "on",
];

/// Makes users and what is asked of them.
pub struct Rights {
    /// Commands and subcommands (`config|get`) that both servers have, and how many words they want.
    commands: Vec<(String, usize)>,
    categories: Vec<String>,
}

impl Rights {
    pub fn new(pair: &Pair) -> Rights {
        let commands = FAMILIES.iter().flat_map(|family| family.iter()).flat_map(|command| {
            let name = command.spec.name;
            let subcommands = command.subcommands.iter();
            let alone = (name.to_owned(), command.spec.arity);
            std::iter::once(alone)
                .chain(subcommands.map(move |sub| (format!("{name}|{}", sub.spec.name), sub.spec.arity)))
        });
        let commands = commands
            .filter(|(name, _)| !APART.iter().any(|(apart, _)| apart == name) && pair.oracle_knows(name))
            .map(|(name, arity)| (name, arity.unsigned_abs() as usize))
            .collect();
        let Reply::Array(categories) = Wire::connect(pair.addr()).ask("ACL CAT") else {
            panic!("no categories")
        };
        let word = |reply: &Reply| match reply {
            Reply::Bulk(word) => String::from_utf8_lossy(word).into_owned(),
            other => panic!("{other:?} is no category"),
        };
        Rights { commands, categories: categories.iter().map(word).collect() }
    }

    /// A user, and what it would hear.
    pub fn sequence(&self, chance: &mut Chance) -> Vec<Request> {
        let mut user = vec!["ACL".to_owned(), "SETUSER".into(), "u".into(), "reset".into()];
        user.extend(self.rules(chance));
        let mut sequence = vec![bytes(&user), bytes(&["ACL", "GETUSER", "u"])];
        while sequence.len() < DECISIONS {
            let request = self.request(chance);
            // Redis checks no key of this one, though it writes it.
            if request.len() > 2 || request[0] != "pfmerge" {
                let asked = ["ACL", "DRYRUN", "u"].map(str::to_owned).into_iter().chain(request);
                sequence.push(bytes(&asked.collect::<Vec<_>>()));
            }
        }
        sequence.push(bytes(&["ACL", "DELUSER", "u"]));
        sequence
    }

    fn rules(&self, chance: &mut Chance) -> Vec<String> {
        let mut rules: Vec<String> = (0..1 + chance.below(6)).map(|_| self.command_rule(chance)).collect();
        rules.extend((0..chance.below(4)).map(|_| key_rule(chance)));
        if chance.percent(50) {
            rules.push(format!("&{}", chance.pick(CHANNEL_PATTERNS)));
        }
        if chance.percent(20) {
            rules.push((*chance.pick(WHOLE)).to_owned());
        }
        chance.shuffle(&mut rules);
        if chance.percent(70) {
            rules.insert(0, "+@all".to_owned());
        }
        if chance.percent(30) {
            let mut selector: Vec<String> =
                (0..1 + chance.below(3)).map(|_| self.command_rule(chance)).collect();
            selector.extend((0..chance.below(3)).map(|_| key_rule(chance)));
            rules.push(format!("({})", selector.join(" ")));
        }
        rules
    }

    fn command_rule(&self, chance: &mut Chance) -> String {
        let sign = *chance.pick(&["+", "+", "-"]);
        match chance.below(10) {
            0..4 => format!("{sign}@{}", chance.pick(&self.categories)),
            4..9 => format!("{sign}{}", chance.pick(&self.commands).0),
            _ => format!("+{}|{}", chance.pick(&self.commands).0, chance.pick(&["get", "set", "a"])),
        }
    }

    /// A command with as many words as it wants, or a few more: mostly keys.
    fn request(&self, chance: &mut Chance) -> Vec<String> {
        let (name, arity) = chance.pick(&self.commands);
        let mut words: Vec<String> = name.split('|').map(str::to_owned).collect();
        let is_about_channels = name.contains("subscribe") || name.contains("publish");
        let most = arity.max(&words.len()) + chance.below(4) as usize;
        while words.len() < most {
            let pool = match chance.below(10) {
                _ if is_about_channels => CHANNELS,
                0..6 => KEYS,
                _ => WORDS,
            };
            words.push((*chance.pick(pool)).to_owned());
        }
        words
    }
}

fn key_rule(chance: &mut Chance) -> String {
    let kind = *chance.pick(&["~", "~", "%R~", "%W~", "%RW~"]);
    format!("{kind}{}", chance.pick(KEY_PATTERNS))
}

fn bytes<W: AsRef<str>>(words: &[W]) -> Request {
    words.iter().map(|word| word.as_ref().as_bytes().to_vec()).collect()
}
