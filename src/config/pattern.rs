//! The glob that CONFIG GET matches option names with: `*`, `?`, `[a-z]`, `[^a]` and `\`, any case.
//!
//! A failed match goes back only to the last `*`, so the time is at most names × pattern, never exponential.

/// Whether the whole of `name` fits the pattern.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut rest, mut text) = (pattern, name);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', behind)) = rest.split_first() {
            star = Some((behind, text));
            rest = behind;
            continue;
        }
        match (step(rest, text.first().copied()), text.split_first()) {
            (Some(behind), Some((_, tail))) => {
                rest = behind;
                text = tail;
            }
            (_, None) if rest.is_empty() => return true,
            _ => match star.and_then(|(behind, from)| Some((behind, from.split_first()?.1))) {
                Some((behind, from)) => {
                    star = Some((behind, from));
                    rest = behind;
                    text = from;
                }
                None => return false,
            },
        }
    }
}

/// The pattern behind its first element when that element accepts the byte.
fn step(pattern: &[u8], byte: Option<u8>) -> Option<&[u8]> {
    let byte = byte?.to_ascii_lowercase();
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', wanted, rest @ ..] | [wanted, rest @ ..] => {
            (wanted.to_ascii_lowercase() == byte).then_some(rest)
        }
        [] => None,
    }
}

fn class(mut rest: &[u8], byte: u8) -> Option<&[u8]> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = rest.get(1..)?;
    }
    let mut found = false;
    loop {
        let (low, high, tail) = match rest {
            [] => return (found != negated).then_some(rest),
            [b']', tail @ ..] => return (found != negated).then_some(tail),
            [b'\\', wanted, tail @ ..] => (*wanted, *wanted, tail),
            [low, b'-', high, tail @ ..] => (*low.min(high), *low.max(high), tail),
            [wanted, tail @ ..] => (*wanted, *wanted, tail),
        };
        found |= (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&byte);
        rest = tail;
    }
}

/// Whether a name asked for is a pattern at all; without these bytes it is looked up as it stands.
pub(crate) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| b"*?[".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs() {
        for (pattern, name) in [
            ("*", ""),
            ("*z", "hz"),
            ("h[a-z]", "hz"),
            ("[^a]z", "HZ"),
            ("?z", "hz"),
            ("*MAX-*PACK*", "x-max-listpack-y"),
        ] {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "hz"), ("h", "hz"), ("h?z", "hz"), ("[a]z", "hz"), ("*x", "hz"), ("[", "h z")]
        {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        assert!(!matches("*a".repeat(60).as_bytes(), "a".repeat(59).as_bytes()));
    }
}
