//! Random requests that mostly make sense: words along the argument trees of the command table.
//!
//! ```text
//! SET   s   value [NX|XX|…] [GET] [EX seconds|…]
//!       ▲   ▲     ▲ options: left out, out of order, twice, without their value, now and then
//!       │   └ what fits the argument ([`super::words`]), or now and then anything
//!       └ mostly a key that commands of this group use, so that types fit, and sometimes not
//! ```
//!
//! A sequence is mostly about one or two groups of commands, and half of the sequences have small limits for small
//! encodings, so that values convert.

use ochre::commands::FAMILIES;
use ochre::dispatch::Command;
use ochre::spec::{Arg, CommandFlags, Group};

use super::chance::Chance;
use super::exceptions::{
    MAKES_SCORES, NOT_SENT, NOT_SENT_WITH, OPTIONS_NOT_SENT, SENT_RARELY, is_lexical, is_sent,
};
use super::limits;
use super::pair::{Request, Version};
use super::words::Writer;

/// Most commands of a sequence.
const COMMANDS_MAX: u64 = 40;
/// Their cost grows with the product of two long values.
const QUADRATIC: &[&str] = &["lcs"];
/// Groups that sequences are about.
const GROUPS: [Group; 10] = [
    Group::String,
    Group::List,
    Group::Hash,
    Group::Set,
    Group::SortedSet,
    Group::Bitmap,
    Group::HyperLogLog,
    Group::Geo,
    Group::Stream,
    Group::Generic,
];

/// Encodings, limits and texts of collections are those of Redis 8.0; older servers are only asked about the rest.
const COLLECTIONS_SINCE: Version = (8, 0);
/// What older servers are not asked about.
const OF_COLLECTIONS: [Group; 8] = [
    Group::List,
    Group::Hash,
    Group::Set,
    Group::SortedSet,
    Group::Bitmap,
    Group::HyperLogLog,
    Group::Geo,
    Group::Stream,
];

/// A command that is sent, with the words of its name.
struct Candidate {
    command: &'static Command,
    full_name: String,
}

impl Candidate {
    fn group(&self) -> Group {
        self.command.spec.group
    }

    /// Whether it makes values larger, as far as the table tells.
    fn adds(&self) -> bool {
        self.command.spec.flags.contains(CommandFlags::DENYOOM)
    }
}

/// Makes sequences.
pub struct Generator {
    candidates: Vec<Candidate>,
    /// What the sequences are about.
    groups: Vec<Group>,
    version: Version,
}

impl Generator {
    /// `about`: names of groups, all if it is empty.
    pub fn new(oracle_knows: impl Fn(&str) -> bool, version: Version, about: &str) -> Generator {
        let mut candidates = Vec::new();
        for command in FAMILIES.iter().flat_map(|family| family.iter()) {
            let name = command.spec.name;
            let subcommands =
                command.subcommands.iter().map(|sub| (sub, format!("{name}|{}", sub.spec.name)));
            let alone = command.subcommands.is_empty().then(|| (command, name.to_owned()));
            for (command, full_name) in alone.into_iter().chain(subcommands) {
                let is_out = |(out, _): &(&str, &str)| *out == name || *out == full_name;
                let waits = command.spec.flags.contains(CommandFlags::BLOCKING);
                let is_newer = version < COLLECTIONS_SINCE && OF_COLLECTIONS.contains(&command.spec.group);
                // Messages come when they come, not as answers.
                let is_about_messages = command.spec.group == Group::PubSub;
                if !waits
                    && !is_newer
                    && !is_about_messages
                    && !NOT_SENT.iter().any(is_out)
                    && oracle_knows(&full_name)
                {
                    candidates.push(Candidate { command, full_name });
                }
            }
        }
        assert!(!candidates.is_empty(), "the real server knows no command");
        let is_known = |group: &Group| candidates.iter().any(|candidate| candidate.group() == *group);
        let is_meant = |group: &Group| about.is_empty() || about.split(',').any(|name| name == group.word());
        let groups: Vec<Group> = GROUPS.into_iter().filter(is_known).filter(is_meant).collect();
        assert!(!groups.is_empty(), "no such group: {about}");
        Generator { candidates, groups, version }
    }

    /// Number of commands that are sent.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    pub fn sequence(&self, chance: &mut Chance) -> Vec<Request> {
        // Either long values or commands that are slow with them.
        let long = chance.percent(15);
        let equal_scores = chance.percent(30);
        let about = [*chance.pick(&self.groups), *chance.pick(&self.groups)];
        let has_limits = self.version >= COLLECTIONS_SINCE && chance.percent(60);
        let mut sequence = if has_limits { limits::requests(chance) } else { Vec::new() };
        let count = sequence.len() as u64 + 2 + chance.below(COMMANDS_MAX - 1);
        while (sequence.len() as u64) < count {
            let candidate = self.candidate(chance, about);
            let is_unsteady = NOT_SENT_WITH.iter().any(|(option, command)| {
                *command == candidate.full_name
                    && sequence
                        .iter()
                        .any(|set: &Request| set.get(2).is_some_and(|word| word == option.as_bytes()))
            });
            let is_out = is_unsteady || equal_scores && MAKES_SCORES.contains(&candidate.full_name.as_str());
            let is_slow = is_out || long && QUADRATIC.contains(&candidate.full_name.as_str());
            if !is_slow {
                let group = if chance.percent(85) { candidate.group() } else { *chance.pick(&about) };
                let version = self.version;
                let writer = Writer { chance, long, version, group, equal_scores };
                sequence.extend(
                    Some(request(candidate, writer))
                        .filter(is_sent)
                        .filter(|request| equal_scores || !is_lexical(request)),
                );
            }
        }
        sequence
    }

    /// Mostly one of the groups that the sequence is about, and then often one that adds.
    fn candidate(&self, chance: &mut Chance, about: [Group; 2]) -> &Candidate {
        let is_free = chance.percent(12);
        let adds = chance.percent(25);
        loop {
            let candidate = chance.pick(&self.candidates);
            let container = candidate.full_name.split('|').next();
            let is_rare = SENT_RARELY.iter().any(|(rare, _)| Some(*rare) == container);
            let fits = is_free || about.contains(&candidate.group()) && (!adds || candidate.adds());
            if fits && (!is_rare || chance.percent(10)) {
                return candidate;
            }
            // A group may have nothing that adds.
            if chance.percent(1) && about.contains(&candidate.group()) {
                return candidate;
            }
        }
    }
}

fn request(candidate: &Candidate, mut writer: Writer<'_>) -> Request {
    let mut request: Request = candidate.full_name.split('|').map(|word| writer.cased(word)).collect();
    let is_ours = |arg: &Arg| {
        let is_out = |(name, token): &(&str, &str)| *name == candidate.full_name && arg.token == Some(token);
        OPTIONS_NOT_SENT.iter().any(is_out)
    };
    // Words that must stand where they stand, and options, which may not.
    let mut pieces: Vec<(bool, Request)> = Vec::new();
    for (optional, piece) in writer.pieces(candidate.command.spec.args, is_ours) {
        if !piece.is_empty() {
            pieces.push((optional, piece));
        }
    }
    let first_option = pieces.iter().position(|(optional, _)| *optional).unwrap_or(pieces.len());
    let options = &mut pieces[first_option..];
    if options.iter().all(|(optional, _)| *optional) && writer.chance.percent(30) {
        writer.chance.shuffle(options);
    }
    if !options.is_empty() && writer.chance.percent(5) {
        let twice = writer.chance.pick(options).clone();
        pieces.push(twice);
    }
    for (optional, mut piece) in pieces {
        if optional && writer.chance.percent(2) {
            piece.pop();
        }
        request.extend(piece);
    }
    match writer.chance.below(100) {
        0..2 => drop(request.pop()),
        2..4 => request.push(writer.anything()),
        _ => {}
    }
    if request.is_empty() { vec![b"PING".to_vec()] } else { request }
}
