//! The glob matcher against the plain recursive definition of the same language.
//!
//! The reference tries every length of every star, so it is exponential; patterns and texts are short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::base::glob::{Case, Pattern, matches};

fuzz_target!(|input: (Vec<u8>, Vec<u8>, bool)| {
    let (pattern, text, ignored) = input;
    let stars = pattern.iter().filter(|&&byte| byte == b'*').count();
    if stars > 4 || pattern.len() > 40 || text.len() > 24 {
        return;
    }
    let case = if ignored { Case::Ignored } else { Case::Sensitive };
    let expected = reference(&pattern, &text, ignored);
    assert_eq!(matches(&pattern, &text, case), expected, "{pattern:?} {text:?} {case:?}");
    if !ignored {
        let kept = Pattern::new(&pattern);
        assert_eq!(kept.matches(&text), expected, "kept {pattern:?} {text:?}");
        if expected {
            assert!(text.starts_with(kept.literal_prefix()));
        }
    }
});

/// A pattern that begins with `*` needs at least one byte; behind the first element the empty rest is fine.
fn reference(pattern: &[u8], text: &[u8], ignored: bool) -> bool {
    if text.is_empty() { pattern.is_empty() } else { follows(pattern, text, ignored) }
}

fn follows(pattern: &[u8], text: &[u8], ignored: bool) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| follows(rest, &text[taken..], ignored)),
        _ => match text {
            [] => false,
            [byte, rest @ ..] => {
                element(pattern, *byte, ignored).is_some_and(|behind| follows(behind, rest, ignored))
            }
        },
    }
}

fn element(pattern: &[u8], byte: u8, ignored: bool) -> Option<&[u8]> {
    let lower = |byte: u8| if ignored { byte.to_ascii_lowercase() } else { byte };
    match pattern[0] {
        b'?' => Some(&pattern[1..]),
        b'[' => class(&pattern[1..], byte, ignored),
        b'\\' if pattern.len() > 1 => (lower(pattern[1]) == lower(byte)).then(|| &pattern[2..]),
        literal => (lower(literal) == lower(byte)).then(|| &pattern[1..]),
    }
}

fn class(members: &[u8], byte: u8, ignored: bool) -> Option<&[u8]> {
    let lower = |byte: u8| if ignored { byte.to_ascii_lowercase() } else { byte };
    let negated = members.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    while at < members.len() && members[at] != b']' {
        if members[at] == b'\\' && at + 1 < members.len() {
            found |= members[at + 1] == byte;
            at += 2;
        } else if at + 2 < members.len() && members[at + 1] == b'-' {
            let (one, other) = (members[at] as i8, members[at + 2] as i8);
            let (low, high) = (one.min(other) as u8, one.max(other) as u8);
            found |= (lower(low) as i8..=lower(high) as i8).contains(&(lower(byte) as i8));
            at += 3;
        } else {
            found |= lower(members[at]) == lower(byte);
            at += 1;
        }
    }
    (found != negated).then(|| members.get(at + 1..).unwrap_or_default())
}
