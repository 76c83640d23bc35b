//! LOLWUT: a picture of layered earth, different every time, and the version.
//!
//! Each layer has a grain of its own; its lower edge is a random walk, so the layers fold over each other. The picture
//! belongs to this server: version 8 and no version at all draw it, other versions only tell the version, as
//! Redis does for a version it has no art for.

use std::iter::zip;

use crate::REDIS_VERSION;
use crate::base::rng::Rng;
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, Command, Outcome, ReplySlot, Request};
use crate::spec::{Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::admin("lolwut", -1, lolwut)
    .doc(Group::Server, "5.0.0", "Draws a picture and tells the version.", "")
    .flags(CommandFlags::FAST.union(CommandFlags::READONLY))
    .args(&[Arg::integer("version").with_token("VERSION").optional()])];

const WIDTH: usize = 66;
const HEIGHT: usize = 16;
/// The version whose art this is.
const ART_VERSION: i64 = 8;
/// From the sky down.
const GRAINS: [char; 6] = [' ', '.', ':', '%', '#', '@'];

fn lolwut(_: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let names_version = req.len() >= 3 && req.arg(1).eq_ignore_ascii_case(b"VERSION");
    let version = if names_version { int(req.arg(2))? } else { ART_VERSION };
    let mut text = String::new();
    if version == ART_VERSION {
        text = layers(&mut Rng::from_os());
        text.push_str("\nLayers of earth, ochre among them. No two diggings find the same.\n\n");
    }
    text.push_str(&format!("Redis ver. {REDIS_VERSION}\n"));
    Ok(reply.write(|w| w.verbatim(b"txt", text.as_bytes())))
}

/// A picture of [`HEIGHT`] lines.
fn layers(rng: &mut Rng) -> String {
    // Lower edge of every layer in every column, from the sky down.
    let edges: Vec<Vec<usize>> =
        (1..GRAINS.len()).map(|layer| edge(layer * HEIGHT / GRAINS.len(), rng)).collect();
    let mut text = String::with_capacity((WIDTH + 1) * HEIGHT);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let is_above = |edge: &Vec<usize>| edge.get(column).is_some_and(|&depth| row < depth);
            let grain = zip(&edges, GRAINS).find(|(edge, _)| is_above(edge)).map(|(_, grain)| grain);
            text.push(grain.unwrap_or(GRAINS[GRAINS.len() - 1]));
        }
        let end = text.trim_end_matches(' ').len();
        text.truncate(end);
        text.push('\n');
    }
    text
}

/// A walk around `depth` that goes up or down by at most one.
fn edge(depth: usize, rng: &mut Rng) -> Vec<usize> {
    let mut at = depth;
    let step = |_| {
        at = match rng.below(6) {
            0 => at.saturating_sub(1),
            1 => (at + 1).min(HEIGHT),
            _ => at,
        };
        at
    };
    (0..WIDTH).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_their_size_and_differ() {
        let [one, other] = [1, 2].map(|seed| layers(&mut Rng::from_seed(seed)));
        assert_ne!(one, other);
        for picture in [one, other] {
            assert_eq!(picture.lines().count(), HEIGHT);
            assert!(picture.lines().all(|line| line.len() <= WIDTH));
        }
    }
}
