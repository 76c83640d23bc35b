//! Options whose value is more than one plain word: lists, limits per class, letters, paths.
//!
//! A [`Special`] says how words become the canonical text and how that text becomes lines of a file again.
//! CONFIG SET hands over one word, which is cut at single blanks when the option takes many; lines may do so too.

use std::path::{Path, PathBuf};

use super::kind::{Context, one_of};
use super::number::{format_memory, parse_memory};
use super::types::{FromText, NotifyFlags, OutputLimits, PrimaryAddress, SavePoints, ShutdownFlags};
use crate::base::num::parse_i64;
use crate::base::words::{quote, quote_if_needed};

/// How one option's words are read and written.
#[derive(Debug)]
pub struct Special {
    /// Whether a line may hold several words.
    pub many: bool,
    /// The canonical text of the words.
    pub parse: fn(&[&[u8]], Context<'_>) -> Result<String, String>,
    /// What stands behind the name, line by line, to set the value again; the second text is the default.
    pub lines: fn(&str, &str) -> Vec<String>,
    /// What CONFIG GET answers, where that is not the canonical text.
    pub shown: Option<fn(&str) -> String>,
}

/// `save`.
pub const SAVE: Special = Special { many: true, parse: parse_save, lines: save_lines, shown: None };
/// `client-output-buffer-limit`.
pub const OUTPUT_LIMITS: Special =
    Special { many: true, parse: parse_limits, lines: limit_lines, shown: None };
/// `bind`.
pub const BIND: Special = Special { many: true, parse: parse_bind, lines: words_line, shown: None };
/// `oom-score-adj-values`.
pub const OOM_VALUES: Special =
    Special { many: true, parse: parse_oom_values, lines: words_line, shown: None };
/// `latency-tracking-info-percentiles`.
pub const PERCENTILES: Special =
    Special { many: true, parse: parse_percentiles, lines: words_line, shown: None };
/// `shutdown-on-sigterm` and `shutdown-on-sigint`.
pub const SHUTDOWN: Special = Special { many: true, parse: parse_shutdown, lines: words_line, shown: None };
/// `replicaof`.
pub const REPLICAOF: Special =
    Special { many: true, parse: parse_replicaof, lines: replicaof_lines, shown: None };
/// `notify-keyspace-events`.
pub const NOTIFY: Special =
    Special { many: false, parse: parse_notify, lines: quoted_line, shown: Some(shown_notify) };
/// `dir`.
pub const DIR: Special = Special { many: false, parse: parse_dir, lines: quoted_line, shown: None };
/// `activedefrag`.
pub const ACTIVEDEFRAG: Special =
    Special { many: false, parse: parse_activedefrag, lines: words_line, shown: None };

const WRONG_NUMBER: &str = "wrong number of arguments";

fn words_line(value: &str, _: &str) -> Vec<String> {
    let words: Vec<String> =
        value.split_ascii_whitespace().map(|word| quote_if_needed(word.as_bytes())).collect();
    vec![if words.is_empty() { "\"\"".into() } else { words.join(" ") }]
}

fn quoted_line(value: &str, _: &str) -> Vec<String> {
    vec![quote(value.as_bytes())]
}

/// While loading, lines add up; the first one replaces the defaults and an empty one clears. CONFIG SET replaces.
fn parse_save(words: &[&[u8]], context: Context<'_>) -> Result<String, String> {
    const WRONG: &str = "Invalid save parameters";
    if words.is_empty() || words == [b""] {
        return Ok(String::new());
    }
    let (pairs, []) = words.as_chunks::<2>() else { return Err(WRONG.into()) };
    let mut text = String::new();
    if context.loading && !context.first {
        text.push_str(std::str::from_utf8(context.value).unwrap_or_default());
    }
    for [seconds, changes] in pairs {
        let number = |word| parse_i64(word).filter(|number| *number <= i64::from(i32::MAX));
        let (Some(seconds @ 1..), Some(changes @ 0..)) = (number(seconds), number(changes)) else {
            return Err(WRONG.into());
        };
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&format!("{seconds} {changes}"));
    }
    Ok(text)
}

fn save_lines(value: &str, _: &str) -> Vec<String> {
    let points = SavePoints::from_text(value).unwrap_or_default();
    if points.is_empty() {
        return vec!["\"\"".into()];
    }
    points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect()
}

/// Classes that are not named keep their limit, in a line and in CONFIG SET.
fn parse_limits(words: &[&[u8]], context: Context<'_>) -> Result<String, String> {
    const WRONG: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    let (groups, []) = words.as_chunks::<4>() else {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    };
    let mut limits = OutputLimits::from_bytes(context.value).unwrap_or_default();
    for [class, hard, soft, seconds] in groups {
        let limit =
            limits.class_mut(class).ok_or("Invalid client class specified in buffer limit configuration.")?;
        let seconds = parse_i64(seconds).and_then(|seconds| u64::try_from(seconds).ok());
        let (Some(hard), Some(soft), Some(seconds)) = (parse_memory(hard), parse_memory(soft), seconds)
        else {
            return Err(WRONG.into());
        };
        (limit.hard, limit.soft, limit.soft_seconds) = (hard, soft, seconds);
    }
    Ok(limits.to_string())
}

fn limit_lines(value: &str, default: &str) -> Vec<String> {
    let limits = OutputLimits::from_text(value).unwrap_or_default();
    let defaults = OutputLimits::from_text(default);
    let classes = [
        ("normal", limits.normal, defaults.map(|limits| limits.normal)),
        ("replica", limits.replica, defaults.map(|limits| limits.replica)),
        ("pubsub", limits.pubsub, defaults.map(|limits| limits.pubsub)),
    ];
    let changed = classes.iter().filter(|(_, limit, default)| Some(*limit) != *default);
    changed
        .map(|(class, limit, _)| {
            format!(
                "{class} {} {} {}",
                format_memory(limit.hard),
                format_memory(limit.soft),
                limit.soft_seconds
            )
        })
        .collect()
}

/// The most addresses `bind` takes.
const BIND_MAX: usize = 16;

fn parse_bind(words: &[&[u8]], _: Context<'_>) -> Result<String, String> {
    if words.len() > BIND_MAX {
        return Err("Too many bind addresses specified.".into());
    }
    let address = |word| std::str::from_utf8(word).ok().filter(|text| !text.contains(char::is_whitespace));
    let addresses: Option<Vec<&str>> = words.iter().copied().map(address).collect();
    let addresses = addresses.ok_or("Failed to bind to specified addresses.")?;
    Ok(addresses.into_iter().filter(|address| !address.is_empty()).collect::<Vec<_>>().join(" "))
}

fn parse_oom_values(words: &[&[u8]], _: Context<'_>) -> Result<String, String> {
    if words.len() != 3 {
        return Err(WRONG_NUMBER.into());
    }
    let number = |word: &&[u8]| parse_i64(word).filter(|number| (-2000..=2000).contains(number));
    let numbers: Option<Vec<i64>> = words.iter().map(number).collect();
    let numbers = numbers.ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
    Ok(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
}

fn parse_percentiles(words: &[&[u8]], _: Context<'_>) -> Result<String, String> {
    let mut texts = Vec::new();
    for word in words.iter().filter(|word| words.len() > 1 || !word.is_empty()) {
        let number = parse_float(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&number) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        let text = format!("{number:.6}");
        texts.push(text.trim_end_matches('0').trim_end_matches('.').to_owned());
    }
    Ok(texts.join(" "))
}

/// Decimal, with an exponent or not, `inf`, or a whole number in hex; not `nan`.
fn parse_float(word: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(word).ok()?;
    if let Some(hex) = text.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).ok().map(f64::from);
    }
    text.parse().ok().filter(|number: &f64| !number.is_nan())
}

fn parse_shutdown(words: &[&[u8]], _: Context<'_>) -> Result<String, String> {
    const NAMES: [&str; 5] = ["default", "save", "nosave", "now", "force"];
    if words.is_empty() {
        return Err(one_of(&NAMES));
    }
    let flags = ShutdownFlags::parse(words).ok_or_else(|| one_of(&NAMES))?;
    if flags.save && flags.nosave {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(flags.to_string())
}

fn parse_replicaof(words: &[&[u8]], _: Context<'_>) -> Result<String, String> {
    let &[host, port] = words else { return Err(WRONG_NUMBER.into()) };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(String::new());
    }
    let port = parse_i64(port).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
    let host = std::str::from_utf8(host).map_err(|_| "argument must be valid UTF-8")?;
    Ok(format!("{host} {port}"))
}

fn replicaof_lines(value: &str, _: &str) -> Vec<String> {
    let address = PrimaryAddress::from_text(value);
    let line =
        |address: PrimaryAddress| format!("{} {}", quote_if_needed(address.host.as_bytes()), address.port);
    address.map(line).into_iter().collect()
}

fn parse_notify(words: &[&[u8]], _: Context<'_>) -> Result<String, String> {
    let &[letters] = words else { return Err(WRONG_NUMBER.into()) };
    let flags = NotifyFlags::parse(letters).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
    Ok(flags.to_string())
}

/// As in Redis, `A` hides `n` although it does not stand for it. What is kept, and written to the file, has both.
fn shown_notify(value: &str) -> String {
    if value.starts_with('A') { value.replace('n', "") } else { value.to_owned() }
}

/// The directory itself, absolute and without links. A relative path starts at the directory set before. Going
/// there is the caller's part.
fn parse_dir(words: &[&[u8]], context: Context<'_>) -> Result<String, String> {
    let &[word] = words else { return Err(WRONG_NUMBER.into()) };
    let word = std::str::from_utf8(word).map_err(|_| "argument must be valid UTF-8")?;
    let path = relative_to(context.value, Path::new(word));
    let path = path.canonicalize().map_err(|error| reason(&error))?;
    if word.is_empty() {
        return Err("No such file or directory".into());
    }
    if !path.is_dir() {
        return Err("Not a directory".into());
    }
    path.to_str().map(str::to_owned).ok_or_else(|| "argument must be valid UTF-8".into())
}

/// A path as seen from `directory` (canonical text of `dir`).
pub(crate) fn relative_to(directory: &[u8], path: &Path) -> PathBuf {
    Path::new(std::str::from_utf8(directory).unwrap_or_default()).join(path)
}

/// What the system says, without the error's number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Files that say `yes` still start the server; CONFIG SET refuses as a Redis without its own allocator does.
fn parse_activedefrag(words: &[&[u8]], context: Context<'_>) -> Result<String, String> {
    let text = super::kind::Kind::Bool.canonical(words, context)?;
    if text == b"yes" && !context.loading {
        return Err("Active defragmentation cannot be enabled: it requires a Redis server compiled with a \
                    modified Jemalloc like the one shipped by default with the Redis source distribution"
            .into());
    }
    String::from_utf8(text).map_err(|_| WRONG_NUMBER.into())
}

/// The words that a special option sees when it is given as one.
pub(crate) fn cut_at_blanks(word: &[u8]) -> Vec<&[u8]> {
    if word.is_empty() { Vec::new() } else { word.split(|byte| *byte == b' ').collect() }
}

/// A file's name without any folder.
pub fn plain_dbfilename(text: &str) -> Result<(), String> {
    no_folder(text, "dbfilename can't be a path, just a filename")
}

/// A file's name without any folder, not empty.
pub fn plain_appendfilename(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("appendfilename can't be empty".into());
    }
    no_folder(text, "appendfilename can't be a path, just a filename")
}

/// A folder's name without a parent, not empty.
pub fn plain_appenddirname(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("appenddirname can't be empty".into());
    }
    no_folder(text, "appenddirname can't be a path, just a dirname")
}

fn no_folder(text: &str, wrong: &str) -> Result<(), String> {
    if text.contains('/') { Err(wrong.into()) } else { Ok(()) }
}

/// Letters, digits, hyphens and dots; less than 256 of them.
pub fn hostname(text: &str) -> Result<(), String> {
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(())
}

/// Text without the signs that separate fields in the cluster's file.
pub fn node_name(text: &str) -> Result<(), String> {
    if text.bytes().any(|byte| b"!#$%&()*+:;<>?@[]^{|}~".contains(&byte)) {
        return Err("Announced human node name contained invalid character".into());
    }
    Ok(())
}

/// Text with variables in braces, all of them known; not blank, even when the variables that may be empty are.
pub fn title_template(text: &str) -> Result<(), String> {
    const MAY_BE_EMPTY: [&str; 3] = ["title", "server-mode", "unixsocket"];
    const NEVER_EMPTY: [&str; 4] = ["listen-addr", "port", "tls-port", "config-file"];
    const WRONG: &str = "template format is invalid or contains unknown variables";
    let mut rest = text;
    let mut blank = true;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, tail) = behind.split_once('}').ok_or(WRONG)?;
        if !MAY_BE_EMPTY.contains(&name) && !NEVER_EMPTY.contains(&name) {
            return Err(WRONG.into());
        }
        blank &= before.trim().is_empty() && !NEVER_EMPTY.contains(&name);
        rest = tail;
    }
    if blank && rest.trim().is_empty() { Err(WRONG.into()) } else { Ok(()) }
}

/// The locales that need no data from the system; scripts and SORT compare bytes in each of them.
pub fn locale(text: &str) -> Result<(), String> {
    if ["", "C", "POSIX", "C.UTF-8", "C.utf8"].contains(&text) {
        Ok(())
    } else {
        Err("Invalid locale name".into())
    }
}
