//! Facts about globs, taken from a running Redis 8.0 (`HSCAN h 0 MATCH <pattern>`; a lone `*` through
//! `PSUBSCRIBE`; ignoring case through `CONFIG GET`), and properties.

use super::*;
use proptest::prelude::*;

#[rustfmt::skip]
const CORNERS: &[(&[u8], &[u8], bool)] = &[
    (b"*", b"", false),
    (b"**", b"", false),
    (b"***", b"", false),
    (b"", b"", true),
    (b"", b"a", false),
    (b"?", b"", false),
    (b"[^", b"ab", false),
    (b"[^", b"a", true),
    (b"[", b"a", false),
    (b"a[", b"ab", false),
    (b"[abc", b"b", true),
    (b"[a-", b"-", true),
    (b"[a-", b"a", true),
    (b"[a-", b"b", false),
    (b"[\\", b"\\", true),
    (b"[\\]", b"]", true),
    (b"[]abc]", b"a", false),
    (b"[]abc]", b"abc]", false),
    (b"[^]", b"a", true),
    (b"[^]abc", b"xabc", true),
    (b"[z-a]", b"m", true),
    (b"[a-\xff]", b"\xff", true),
    (b"[a-\xff]", b"b", false),
    (b"[a-\xff]", b"\x80", false),
    (b"[a-\xff]", b"\xf0", false),
    (b"[a-\xff]", b"\x10", true),
    (b"[\x80-\xff]", b"\x90", true),
    (b"[\x7f-\x80]", b"\x00", true),
    (b"\\", b"\\", true),
    (b"a\\", b"a\\", true),
    (b"\\*", b"*", true),
    (b"\\*", b"a", false),
    (b"\\\\", b"\\", true),
    (b"*\\", b"x\\", true),
    (b"[\\a-z]", b"b", false),
    (b"[\\a-z]", b"-", true),
    (b"[a-\\z]", b"b", false),
    (b"[a-\\]z", b"z", false),
    (b"[a-\\]", b"b", false),
    (b"[a-]]", b"b]", false),
    (b"[a-]]", b"b", false),
    (b"[a-]", b"^", true),
    (b"[a-]", b"a", true),
    (b"[a-]", b"-", false),
    (b"a*", b"a", true),
    (b"*a", b"ba", true),
    (b"*a*b*c", b"xxaxxbxxc", true),
    (b"*a*b*c", b"xxaxxbxx", false),
    (b"h[^e]llo", b"hello", false),
    (b"h[^e]llo", b"hallo", true),
    (b"[^a", b"b", true),
    (b"[^a", b"a", false),
    (b"[a^]", b"^", true),
    (b"[!a]", b"b", false),
    (b"[!a]", b"!", true),
    (b"[--0]", b".", true),
    (b"a?c", b"abc", true),
    (b"*?", b"", false),
    (b"*?", b"a", true),
    (b"?*", b"a", true),
    (b"a**", b"a", true),
    (b"\\[a]", b"[a]", true),
    (b"[[]", b"[", true),
    (b"[a-z-9]", b"-", true),
    (b"[a-z-9]", b"9", true),
];

/// Drawn at random from a small alphabet.
#[rustfmt::skip]
const DRAWN: &[(&[u8], &[u8], bool)] = &[
    (b"\x00", b"\x00", true),
    (b"\x00\x00bb", b"b-*?", false),
    (b"\x00-c*[b", b"*c-\x00a\xff", false),
    (b"\x00?a", b"*", false),
    (b"\x00^cac*", b"a?", false),
    (b"\x00zb\xff-", b"c", false),
    (b"*\x00", b"\\*a?\x00", true),
    (b"*\x00?a*b", b"z]]\xff", false),
    (b"*\x00]", b"AA\\^", false),
    (b"**", b"*]c^", true),
    (b"**", b"*b", true),
    (b"**", b"b\x00\x00A^-", true),
    (b"**", b"b\\z", true),
    (b"**", b"ba-", true),
    (b"**]?\\\x00\xff^", b"\x00[bb[]", false),
    (b"*-a]?a-", b"\x00z", false),
    (b"*?", b"\x00b\\", true),
    (b"*?", b"a[AA]\\", true),
    (b"*?", b"b", true),
    (b"*?\x00\xff]*", b"\x00\x00*[", false),
    (b"*[[-b", b"-z\x00b]^", true),
    (b"*[^a\\", b"\x00c]", true),
    (b"*[b\\?\xff^*", b"bb", true),
    (b"*\\]", b"]", true),
    (b"*\\b", b"bzb", true),
    (b"*]", b"\\a?", false),
    (b"*^\x00", b"aa", false),
    (b"*a", b"\\*ba", true),
    (b"*b[a^ba", b"bbbbb", true),
    (b"*c", b"[\xff*\x00c", true),
    (b"*z**", b"\\^aaz\\", true),
    (b"*\xff", b"-^bb]\xff", true),
    (b"-*", b"-", true),
    (b"-*b\x00", b"\\a*A?", false),
    (b"-Aaz", b"?]\x00\xff", false),
    (b"-Ab[", b"\x00cbb\x00z", false),
    (b"-\\b\\", b"[", false),
    (b"-bz", b"b\x00", false),
    (b"?", b"A", true),
    (b"?*", b"\x00c\x00[\\[", true),
    (b"?*", b"[", true),
    (b"?*", b"\\\x00\x00c", true),
    (b"?*", b"a", true),
    (b"?*", b"b]a", true),
    (b"?*b-*", b"?-", false),
    (b"?\\*\x00cb-\xff", b"\x00\\", false),
    (b"?^ba?b", b"a\\A\xff\x00", false),
    (b"?aAb]", b"z\\b", false),
    (b"A", b"]a*", false),
    (b"A*\xff", b"-b[z", false),
    (b"Ab**[b]\x00", b"c\x00b?", false),
    (b"AbAaz\xff", b"A[", false),
    (b"[", b"z*b", false),
    (b"[*zAA*a", b"*", true),
    (b"[?zz^\\\x00", b"\x00cc", false),
    (b"[\\c", b"c", true),
    (b"[^^b]*", b"zcba", true),
    (b"[aaA[A\xff", b"c[", false),
    (b"[c^Az\xff*\x00", b"\xffcA]", false),
    (b"[z^*b\x00", b"\\bcb\x00", false),
    (b"[\xffz*-c*", b"*", true),
    (b"\\", b"c^^[", false),
    (b"\\^*[\\a", b"-", false),
    (b"\\aAb]", b"zc\xff\xffb", false),
    (b"\\b", b"b", true),
    (b"\\b]zb-A", b"\x00[c", false),
    (b"\\cbz]\\cb", b"\xff[ba]?", false),
    (b"]", b"abcba", false),
    (b"]---*c", b"[^bbb\\", false),
    (b"]?\\z?", b"b", false),
    (b"]A]?\\", b"\\^*-A]", false),
    (b"]AaA?[", b"^AA", false),
    (b"]AbA\\\xff]*", b"-a", false),
    (b"]a]?*z?a", b"c^b", false),
    (b"]a^^-?c", b"*\xff?", false),
    (b"]b", b"aA", false),
    (b"^", b"b[b??", false),
    (b"^\x00\xffc?\xffA", b"?z[[*[", false),
    (b"^*\\", b"b^a\x00", false),
    (b"^-\x00", b"[]", false),
    (b"^-[*^\xffa-", b"-a", false),
    (b"^A*", b"\x00z\x00cz", false),
    (b"^]\xff*a]z", b"?\\baba", false),
    (b"^^?", b"\\?", false),
    (b"^b", b"*]AAaz", false),
    (b"^b", b"ba*", false),
    (b"a", b"a", true),
    (b"a*", b"a?a^", true),
    (b"a*", b"az", true),
    (b"aA\x00a[A\x00", b"*", false),
    (b"a[\x00^*", b"b", false),
    (b"a]?]?^", b"abA\xffa?", false),
    (b"a]ca?c*", b"z?", false),
    (b"aa", b"]b", false),
    (b"aa\x00ab", b"\\", false),
    (b"ab", b"a", false),
    (b"ab-", b"-A", false),
    (b"abAb-]*", b"-[a*", false),
    (b"ab\\b?*", b"z", false),
    (b"b", b"-az", false),
    (b"b", b"b", true),
    (b"b", b"b", true),
    (b"b", b"b", true),
    (b"bA", b"?", false),
    (b"bA", b"ac]", false),
    (b"b^\x00Ab*c", b"?[az", false),
    (b"ba*a", b"\xff\x00ab^c", false),
    (b"bac", b"*", false),
    (b"bb\x00za*\x00", b"c-", false),
    (b"bbzc*]", b"Ab", false),
    (b"bzA-\\b]c", b"-a\\b?", false),
    (b"b\xff", b"\xffb", false),
    (b"b\xff[zaaa\xff", b"aa?a", false),
    (b"c*", b"]\xff", false),
    (b"c*", b"cba", true),
    (b"c*a", b"c", false),
    (b"cA*Aa", b"b\\\x00]cz", false),
    (b"cbb\\c*", b"b-", false),
    (b"cz", b"c*aa^", false),
    (b"z\x00-cbcA\\", b"\x00[ccb", false),
    (b"z?*", b"zaab", true),
    (b"z??^Aa?A", b"c[", false),
    (b"zA", b"Az-", false),
    (b"z[b^-zab", b"b\\]**", false),
    (b"za\\]\x00\xffa", b"?**-*a", false),
    (b"za^\x00", b"b^b", false),
    (b"\xff", b"\x00-\x00^", false),
    (b"\xff*", b"\xff", true),
    (b"\xff[?AA", b"*^", false),
    (b"\xffa[", b"**^zaA", false),
    (b"\xff\xff", b"?", false),
];

#[test]
fn patterns_match_as_in_redis() {
    for &(pattern, text, expected) in CORNERS.iter().chain(DRAWN) {
        let shown = || format!("{} {}", pattern.escape_ascii(), text.escape_ascii());
        assert_eq!(matches(pattern, text, Case::Sensitive), expected, "{}", shown());
        assert_eq!(Pattern::new(pattern).matches(text), expected, "kept: {}", shown());
        assert_eq!(naive(pattern, text, Case::Sensitive), expected, "reference: {}", shown());
    }
}

#[test]
fn ignoring_case_as_in_redis() {
    let facts = [
        ("p[O-R]rt", true),
        ("[O-R]ORT", true),
        ("[P-a]ort", false),
        ("[Z-a]ort", false),
        ("[\\P]ort", false),
        ("[\\p]ort", true),
        ("P*T", true),
        ("[a-Z]ort", false),
        ("[^P]ort", false),
        ("[A-z]ort", true),
        ("[p-P]ort", true),
        ("\\PORT", true),
    ];
    for (pattern, expected) in facts {
        assert_eq!(matches(pattern.as_bytes(), b"port", Case::Ignored), expected, "{pattern}");
        assert_eq!(naive(pattern.as_bytes(), b"port", Case::Ignored), expected, "reference: {pattern}");
    }
}

#[test]
fn shapes_of_kept_patterns() {
    let literal = Pattern::new(b"abc");
    assert_eq!((literal.literal(), literal.literal_prefix()), (Some(b"abc".as_slice()), b"abc".as_slice()));
    let prefix = Pattern::new(b"user:**");
    assert_eq!((prefix.literal(), prefix.literal_prefix()), (None, b"user:".as_slice()));
    assert!(prefix.matches(b"user:") && prefix.matches(b"user:1") && !prefix.matches(b"user"));
    let everything = Pattern::new(b"*");
    assert!(everything.matches_everything() && !everything.matches(b"") && everything.matches(b"x"));
    assert!(!Pattern::new(b"**").matches_everything());
    assert_eq!(Pattern::new(b"a\\*").literal_prefix(), b"a");
    assert_eq!(Pattern::new(b"a?").as_bytes(), b"a?");
}

/// Counts steps, because a count does not depend on the machine.
fn steps(pattern: &[u8], text: &[u8], case: Case) -> u64 {
    let mut steps = 0;
    matches_counting(pattern, text, case, &mut steps);
    steps
}

#[test]
fn hostile_patterns_stay_linear() {
    let text = vec![b'a'; 50_000];
    assert!(steps(&b"*?".repeat(50_000), &text, Case::Sensitive) <= 100_000);
    assert!(steps(&b"a*".repeat(50_000), &text, Case::Sensitive) <= 100_000);
    for case in [Case::Sensitive, Case::Ignored] {
        let stars_then_b = [b"*a".repeat(50).as_slice(), b"b"].concat();
        assert!(steps(&stars_then_b, &text, case) <= 50_000 * 3);
        let piece = [b"*".as_slice(), &[b'a'; 100], b"b"].concat();
        assert!(steps(&piece, &text, case) <= 50_000 * 102);
    }
}

/// The meaning of patterns by plain recursion, as the reference.
fn naive(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let Some((&byte, after)) = text.split_first() else {
        return pattern.is_empty();
    };
    if let [b'*', ..] = pattern {
        let rest = skip_stars(pattern);
        return rest.is_empty() || (0..text.len()).any(|start| naive(rest, &text[start..], case));
    }
    let Some(rest) = match_element(pattern, byte, case) else { return false };
    naive(if after.is_empty() { skip_stars(rest) } else { rest }, after, case)
}

#[test]
fn a_thousand_stars_are_the_limit() {
    let text = [b'a'; 3000];
    for (stars, end, expected) in [
        (1000, "", true),
        (1001, "", false),
        (1000, "*", true),
        (1000, "***", true),
        (1000, "*b", false),
        (1001, "*", false),
    ] {
        let pattern = "*?".repeat(stars) + end;
        assert_eq!(matches(pattern.as_bytes(), &text, Case::Sensitive), expected, "{stars} and {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn one_star_is_as_good_as_backtracking(pattern in "[ab*?^\\]\\[\\\\-]{0,12}", text in "[ab\\]-]{0,12}") {
        for case in [Case::Sensitive, Case::Ignored] {
            let expected = naive(pattern.as_bytes(), text.as_bytes(), case);
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), case), expected);
        }
        let expected = naive(pattern.as_bytes(), text.as_bytes(), Case::Sensitive);
        prop_assert_eq!(Pattern::new(pattern.as_bytes()).matches(text.as_bytes()), expected);
    }

    #[test]
    fn stars_alone_match_often(pattern in "[ab*]{0,12}", text in "[ab]{0,20}") {
        let expected = naive(pattern.as_bytes(), text.as_bytes(), Case::Sensitive);
        prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), expected);
    }

    #[test]
    fn any_bytes_are_matched_without_harm(pattern: Vec<u8>, text: Vec<u8>) {
        matches(&pattern, &text, Case::Ignored);
    }
}
