//! Ranges by score and by bytes.

use std::cmp::Ordering;

use crate::base::float::parse_f64_bound;
use crate::ds::listpack::{Digits, Element};

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: f64,
    pub max: f64,
    /// Whether the bound itself lies outside.
    pub excludes_min: bool,
    pub excludes_max: bool,
}

impl ScoreRange {
    /// Bounds as commands write them, `(` before one that lies outside. `None` if one is no number.
    pub fn parse(min: &[u8], max: &[u8]) -> Option<ScoreRange> {
        let (min, excludes_min) = score_bound(min)?;
        let (max, excludes_max) = score_bound(max)?;
        Some(ScoreRange { min, max, excludes_min, excludes_max })
    }

    /// Whether no score lies in it.
    pub fn is_empty(&self) -> bool {
        self.min > self.max || self.min == self.max && (self.excludes_min || self.excludes_max)
    }

    /// Where a score stands in relation to the range.
    #[inline]
    pub(super) fn place(&self, score: f64) -> Ordering {
        if score < self.min || self.excludes_min && score == self.min {
            Ordering::Less
        } else if score > self.max || self.excludes_max && score == self.max {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

fn score_bound(text: &[u8]) -> Option<(f64, bool)> {
    match text {
        [b'(', rest @ ..] => Some((parse_f64_bound(rest)?, true)),
        text => Some((parse_f64_bound(text)?, false)),
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// `-`: below every member.
    Lowest,
    /// `+`: above every member.
    Highest,
    /// `[member`
    Including(&'a [u8]),
    /// `(member`
    Excluding(&'a [u8]),
}

impl<'a> LexBound<'a> {
    /// A bound as commands write it.
    pub fn parse(text: &'a [u8]) -> Option<LexBound<'a>> {
        match text {
            b"-" => Some(LexBound::Lowest),
            b"+" => Some(LexBound::Highest),
            [b'[', member @ ..] => Some(LexBound::Including(member)),
            [b'(', member @ ..] => Some(LexBound::Excluding(member)),
            _ => None,
        }
    }

    fn member(self) -> Option<&'a [u8]> {
        match self {
            LexBound::Including(member) | LexBound::Excluding(member) => Some(member),
            LexBound::Lowest | LexBound::Highest => None,
        }
    }
}

/// A range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// Bounds as commands write them; `None` if one is none.
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Option<LexRange<'a>> {
        Some(LexRange { min: LexBound::parse(min)?, max: LexBound::parse(max)? })
    }

    /// Whether no member can lie in it.
    pub fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (LexBound::Highest, _) | (_, LexBound::Lowest) => true,
            (min, max) => match (min.member(), max.member()) {
                (Some(low), Some(high)) => {
                    let excludes = [min, max].iter().any(|bound| matches!(bound, LexBound::Excluding(_)));
                    low > high || low == high && excludes
                }
                _ => false,
            },
        }
    }

    /// Whether a member lies below the range.
    #[inline]
    pub(super) fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Including(min) => member < min,
            LexBound::Excluding(min) => member <= min,
        }
    }

    /// Whether a member lies above the range.
    #[inline]
    pub(super) fn is_above(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Including(max) => member > max,
            LexBound::Excluding(max) => member >= max,
        }
    }

    pub(super) fn place(&self, member: &Element<'_>) -> Ordering {
        let mut digits = Digits::new();
        let member = member.bytes(&mut digits);
        if self.is_below(member) {
            Ordering::Less
        } else if self.is_above(member) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_bounds_are_read_as_redis_reads_them() {
        let parse = |text: &str| score_bound(text.as_bytes());
        assert_eq!(parse("(1.5"), Some((1.5, true)));
        assert_eq!(parse(""), Some((0.0, false)));
        assert_eq!(parse("("), Some((0.0, true)));
        assert_eq!(parse("1e400"), Some((f64::INFINITY, false)));
        assert_eq!(parse("-Infinity"), Some((f64::NEG_INFINITY, false)));
        for refused in [" 1", "1 ", "0x10", "nan", "(nan", "((1", "1e", "i", "x"] {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_range_knows_when_it_is_empty() {
        let scores = |min: &str, max: &str| ScoreRange::parse(min.as_bytes(), max.as_bytes()).unwrap();
        assert!(scores("2", "1").is_empty() && scores("(1", "1").is_empty() && scores("1", "(1").is_empty());
        assert!(!scores("1", "1").is_empty() && !scores("-inf", "+inf").is_empty());
        let members = |min: &'static [u8], max: &'static [u8]| LexRange::parse(min, max).unwrap();
        assert!(members(b"+", b"[z").is_empty() && members(b"[a", b"-").is_empty());
        assert!(members(b"[b", b"[a").is_empty() && members(b"(a", b"[a").is_empty());
        assert!(!members(b"[a", b"[a").is_empty() && !members(b"-", b"+").is_empty());
        assert_eq!(LexRange::parse(b"a", b"+"), None);
    }
}
