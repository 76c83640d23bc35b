//! One request for each command with keys, and one more for each of its options that has a value.
//!
//! ```text
//! GETEX key [EX seconds | PX milliseconds | …]        GETEX k1
//!                                                     GETEX k1 EX 1
//! ```
//!
//! Of alternatives, the first is taken; an argument that repeats comes once. Every argument has a word that fits.

use ochre::commands::FAMILIES;
use ochre::dispatch::Command;
use ochre::resp::OwnedArgs;
use ochre::spec::{Arg, ArgKind, CommandFlags, Group};

/// Commands, or containers with all their subcommands, that are not asked.
const NOT_ASKED: &[(&str, &str)] = &[
    ("debug", "no key of its own"),
    ("memory", "sizes are each server's own"),
    ("object|freq", "depends on chance"),
    ("object|idletime", "a time of each server's own"),
    ("pfdebug", "16384 registers, and more of the real server's insides"),
];

/// The version of the real server whose replies are on record; what is newer is not asked.
const RECORDED: (u32, u32) = (8, 0);

fn is_recorded(since: &str) -> bool {
    let mut parts = since.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) <= RECORDED
}

/// A request.
pub struct Template {
    pub command: &'static Command,
    pub words: Vec<Vec<u8>>,
    /// Where numbers stand. Those of the command without options come with it only.
    pub numbers: Vec<usize>,
}

impl Template {
    /// The names of its keys.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let args = OwnedArgs::from_slices(self.words.iter().map(Vec::as_slice));
        let mut keys = Vec::new();
        let found = self.command.walk_keys(&args.as_args(), |at, _| keys.extend(self.words.get(at).cloned()));
        found.expect("a request that makes sense");
        keys
    }

    /// The request as one line.
    pub fn shown(&self) -> String {
        self.words.iter().map(|word| super::text::word(word)).collect::<Vec<_>>().join(" ")
    }

    /// The type that the command works with.
    pub fn type_name(&self) -> &'static str {
        match self.command.spec.group {
            Group::List => "list",
            Group::Hash => "hash",
            Group::Set => "set",
            Group::SortedSet | Group::Geo => "zset",
            Group::Generic if self.command.spec.name.starts_with("sort") => "list",
            _ => "string",
        }
    }
}

/// All requests, in the order of their names.
pub fn templates() -> Vec<Template> {
    let mut templates = Vec::new();
    for command in FAMILIES.iter().flat_map(|family| family.iter()) {
        let name = command.spec.name;
        let is_out = |full: &str| NOT_ASKED.iter().any(|(out, _)| *out == full);
        if is_out(name) {
            continue;
        }
        add(command, vec![name.to_ascii_uppercase()], &mut templates);
        for sub in command.subcommands.iter().filter(|sub| !is_out(&format!("{name}|{}", sub.spec.name))) {
            let words = vec![name.to_ascii_uppercase(), sub.spec.name.to_ascii_uppercase()];
            add(sub, words, &mut templates);
        }
    }
    templates.sort_by_key(Template::shown);
    templates
}

fn add(command: &'static Command, name: Vec<String>, templates: &mut Vec<Template>) {
    let waits = command.spec.flags.contains(CommandFlags::BLOCKING);
    // What a script does with its keys is the script's affair.
    let is_script = command.spec.group == Group::Scripting;
    // It wants another server.
    let is_remote = command.spec.name == "migrate";
    if waits || is_script || is_remote || command.spec.keys.is_empty() || !is_recorded(command.spec.since) {
        return;
    }
    let mut options: Vec<Option<usize>> = vec![None];
    options.extend((0..command.spec.args.len()).filter(|&at| command.spec.args[at].optional).map(Some));
    for option in options {
        for alternative in alternatives(command, option) {
            let mut writer = Writer { words: Vec::new(), numbers: Vec::new(), keys: 0, alternative };
            writer.words.extend(name.iter().map(|word| word.clone().into_bytes()));
            for (at, arg) in command.spec.args.iter().enumerate() {
                if !arg.optional || option == Some(at) {
                    let numbers = writer.numbers.len();
                    writer.write(arg, option == Some(at));
                    if option.is_some() && option != Some(at) {
                        writer.numbers.truncate(numbers);
                    }
                }
            }
            templates.push(Template { command, words: writer.words, numbers: writer.numbers });
        }
    }
}

/// The alternatives of an option, as positions; just one for what has none.
fn alternatives(command: &Command, option: Option<usize>) -> Vec<usize> {
    match option.map(|at| &command.spec.args[at]) {
        Some(arg) if arg.kind == ArgKind::OneOf => {
            let is_known = |at: &usize| arg.parts[*at].since.is_none_or(is_recorded);
            (0..arg.parts.len()).filter(is_known).collect()
        }
        _ => vec![0],
    }
}

struct Writer {
    words: Vec<Vec<u8>>,
    numbers: Vec<usize>,
    keys: usize,
    /// Which of the option's alternatives is taken.
    alternative: usize,
}

impl Writer {
    fn write(&mut self, arg: &Arg, is_chosen: bool) {
        if let Some(token) = arg.token {
            self.words.push(token.into());
        }
        let word = match arg.kind {
            ArgKind::PureToken => return,
            ArgKind::OneOf => {
                let taken = if is_chosen { self.alternative } else { 0 };
                return arg.parts.iter().skip(taken).take(1).for_each(|part| self.write(part, false));
            }
            ArgKind::Block => {
                let parts = arg.parts.iter().filter(|part| !part.optional);
                return parts.for_each(|part| self.write(part, false));
            }
            ArgKind::Key => {
                self.keys += 1;
                format!("k{}", self.keys)
            }
            ArgKind::Integer | ArgKind::Double | ArgKind::UnixTime => {
                self.numbers.push(self.words.len());
                "1".into()
            }
            ArgKind::Pattern => "*".into(),
            ArgKind::String => word(arg.name).into(),
        };
        self.words.push(word.into_bytes());
    }
}

/// A word for a text: a bound of a range of bytes, a type of bit field, or the one element that values have.
fn word(name: &str) -> &'static str {
    match name {
        "min" | "max" => "[a",
        "start" | "stop" | "end" => "0",
        "encoding" => "u8",
        _ => "a",
    }
}
