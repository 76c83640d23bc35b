//! The glob matcher, the same one for keys, channels, configuration names and access rules.
//!
//! `*` stands for any run of bytes, `?` for one byte, `[...]` for one byte of a class, `\x` for `x`
//! itself. Redis's corner cases hold byte for byte:
//!
//! * A class that is never closed ends with the pattern: `[abc` is `[abc]`, and a lone `[^` is any byte.
//! * `[]` is an empty class and `[^]` any byte; `]` cannot be a member except as `\]`.
//! * Ranges may be written backwards (`[z-a]`), reach over a `]` (`[a-]]` is `]` to `a`), and compare
//!   bytes as signed numbers, so `[a-\xff]` is everything from -1 up to `a`.
//! * Ignoring case, the ends of a range are put in order first and lowered after, and an escaped
//!   member of a class keeps its case.
//! * A pattern that begins with `*` does not match the empty text. (`KEYS *` and `SCAN` do list the
//!   empty key, because they skip matching altogether: [`Pattern::matches_everything`].)
//!
//! # Why one remembered star is enough
//!
//! A pattern is a sequence of star-free pieces with stars between them, and a piece with `n` elements
//! matches exactly `n` bytes. Suppose the pieces up to some star have been matched as far left as
//! possible. Any match of the whole text places these pieces at or right of there, so whatever follows
//! the star in that match also follows the star in ours, with the star taking more bytes. Giving an
//! earlier star more bytes can thus never win anything: once a new star is reached all earlier ones
//! are forgotten. Only the last one is ever extended, by one byte at a time, so the matcher needs
//! two positions instead of a call stack, and each position in the text starts at most one attempt
//! at one piece: at worst `text × pattern` steps. When the text ends inside a piece the answer is no at once,
//! since starting later would leave even fewer bytes.
//!
//! Redis calls itself at every star but a last one and gives up at the 1,001st. Nothing here needs that limit, but a
//! pattern means the same in both, so there is no match beyond [`STARS_MAX`] either.

/// Runs of stars in a pattern, a last one not counted, beyond which nothing matches.
const STARS_MAX: usize = 1000;

/// Whether upper and lower case of ASCII letters differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` is not `A`.
    Sensitive,
    /// `a` is `A`.
    Ignored,
}

/// Whether a text has any of the bytes that make it a pattern; without them it can be looked up as it stands.
pub fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*?[".contains(byte))
}

/// Whether `text` matches `pattern`, taken at once; see [`Pattern`] for many texts.
///
/// ```
/// use ochre::base::glob::{Case, matches};
/// assert!(matches(b"h[^e]l*", b"hallo", Case::Sensitive));
/// assert!(!matches(b"user:?", b"user:", Case::Sensitive));
/// ```
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    matches_counting(pattern, text, case, &mut 0)
}

/// The matcher; `steps` counts the comparisons of one element with one byte.
fn matches_counting(pattern: &[u8], text: &[u8], case: Case, steps: &mut u64) -> bool {
    let (mut pattern_rest, mut text_rest) = (pattern, text);
    // What follows the last star, and the text where that piece was last tried.
    let mut last_star: Option<(&[u8], &[u8])> = None;
    let mut stars = 0;
    while let Some((&byte, after_byte)) = text_rest.split_first() {
        if pattern_rest.first() == Some(&b'*') {
            pattern_rest = skip_stars(pattern_rest);
            if pattern_rest.is_empty() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            text_rest = skip_to_first_byte(pattern_rest, text_rest, case);
            last_star = Some((pattern_rest, text_rest));
            continue;
        }
        *steps += 1;
        match match_element(pattern_rest, byte, case) {
            Some(after_element) => (pattern_rest, text_rest) = (after_element, after_byte),
            None => {
                let Some((piece, tried)) = last_star else { return false };
                pattern_rest = piece;
                text_rest = skip_to_first_byte(piece, tried.get(1..).unwrap_or_default(), case);
                last_star = Some((pattern_rest, text_rest));
                continue;
            }
        }
        if text_rest.is_empty() {
            pattern_rest = skip_stars(pattern_rest);
        }
    }
    pattern_rest.is_empty()
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|&&byte| byte == b'*').count();
    pattern.get(stars..).unwrap_or_default()
}

/// The text from the first byte on at which a piece that begins with a plain byte can match.
fn skip_to_first_byte<'t>(piece: &[u8], text: &'t [u8], case: Case) -> &'t [u8] {
    match piece.first() {
        Some(&byte) if case == Case::Sensitive && !matches!(byte, b'*' | b'?' | b'[' | b'\\') => {
            let start = memchr::memchr(byte, text).unwrap_or(text.len());
            text.get(start..).unwrap_or_default()
        }
        _ => text,
    }
}

/// Matches the element at the head of `pattern`, which is not a star, with one byte. Answers the
/// pattern after the element.
#[inline]
fn match_element(pattern: &[u8], byte: u8, case: Case) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => match_class(rest, byte, case),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => same(*literal, byte, case).then_some(rest),
    }
}

/// Matches the class whose members begin at `members` with one byte.
fn match_class(members: &[u8], byte: u8, case: Case) -> Option<&[u8]> {
    let (negated, mut members) = match members {
        [b'^', members @ ..] => (true, members),
        members => (false, members),
    };
    let mut found = false;
    let rest = loop {
        members = match members {
            [] => break members,
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => break rest,
            [start, b'-', end, rest @ ..] => {
                found |= in_range(*start, *end, byte, case);
                rest
            }
            [literal, rest @ ..] => {
                found |= same(*literal, byte, case);
                rest
            }
        };
    };
    (found != negated).then_some(rest)
}

#[inline]
fn same(literal: u8, byte: u8, case: Case) -> bool {
    literal == byte || (case == Case::Ignored && literal.eq_ignore_ascii_case(&byte))
}

fn in_range(start: u8, end: u8, byte: u8, case: Case) -> bool {
    let ordered = if start as i8 > end as i8 { [end, start] } else { [start, end] };
    let [low, high] = ordered.map(|byte| lowered(byte, case) as i8);
    (low..=high).contains(&(lowered(byte, case) as i8))
}

fn lowered(byte: u8, case: Case) -> u8 {
    if case == Case::Ignored { byte.to_ascii_lowercase() } else { byte }
}

/// A case-sensitive pattern kept for many texts, with the commonest shapes recognised beforehand.
///
/// ```
/// use ochre::base::glob::Pattern;
/// let pattern = Pattern::new(b"user:*");
/// assert_eq!(pattern.literal_prefix(), b"user:");
/// assert!(pattern.matches(b"user:7") && !pattern.matches(b"session:7"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    bytes: Box<[u8]>,
    shape: Shape,
    /// How many leading bytes stand for themselves.
    literal_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// Nothing special at all.
    Literal,
    /// Literal bytes (at least one), then nothing but stars.
    Prefix,
    General,
}

impl Pattern {
    /// Looks at the pattern's shape and keeps a copy of it.
    pub fn new(pattern: &[u8]) -> Pattern {
        let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        let literal_len = pattern.iter().position(is_special).unwrap_or(pattern.len());
        let rest = pattern.get(literal_len..).unwrap_or_default();
        let shape = if rest.is_empty() {
            Shape::Literal
        } else if literal_len > 0 && skip_stars(rest).is_empty() {
            Shape::Prefix
        } else {
            Shape::General
        };
        Pattern { bytes: pattern.into(), shape, literal_len }
    }

    /// Whether `text` matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        let literal = self.literal_prefix();
        match self.shape {
            Shape::Literal => text == literal,
            Shape::Prefix => text.starts_with(literal),
            Shape::General => text.starts_with(literal) && matches(&self.bytes, text, Case::Sensitive),
        }
    }

    /// Whether the pattern is a lone `*`. Commands that list keys or members then skip matching,
    /// and so list the empty one too.
    #[inline]
    pub fn matches_everything(&self) -> bool {
        *self.bytes == *b"*"
    }

    /// The text itself if the pattern can match that one only.
    pub fn literal(&self) -> Option<&[u8]> {
        (self.shape == Shape::Literal).then_some(&self.bytes)
    }

    /// Bytes with which every match begins.
    #[inline]
    pub fn literal_prefix(&self) -> &[u8] {
        self.bytes.get(..self.literal_len).unwrap_or_default()
    }

    /// The pattern as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
