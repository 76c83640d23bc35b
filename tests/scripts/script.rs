//! The golden script format.
//!
//! ```text
//! # A comment. At the top of a file or a block: `# since 8.0`, `# ochre-only`.
//! SET k v
//! @other GET k
//! ---
//! +OK
//! "v"
//! --- effects
//! modified k
//! event $ set k
//! ```
//!
//! A line of a block is a request, its connection named by `@name` if it is another one, or a directive:
//!
//! | directive | does |
//! |---|---|
//! | `! resp3` | (first line) fresh connections for this block, in RESP3 |
//! | `! advance 100` | moves the clock by ms; sleeps on a real server |
//! | `! expire` | removes what is behind its deadline, as the expiry task would; nothing on a real server |
//! | `! config name value` | CONFIG SET; undone after the file |
//! | `! sorted` | the next reply's lists are sorted |
//! | `! send [@name] …` | a request that is not answered |
//! | `! raw [@name] "bytes"` | bytes as they are; one reply is read |
//! | `! read [@name]` | reads one more reply or message |
//! | `! blocked 2` | goes on when that many clients wait for a key |
//! | `! close [@name]` | closes the connection; the next use opens it anew |
//!
//! Expected lines are those of [`super::text`]; `*` accepts any one line, `(closed)` is a closed connection.

use std::path::{Path, PathBuf};

use super::text;

pub struct Script {
    pub path: PathBuf,
    pub conditions: Conditions,
    pub blocks: Vec<Block>,
}

/// Which servers something is for.
#[derive(Clone, Copy, Default)]
pub struct Conditions {
    /// Oldest version of a real server.
    pub since: Option<(u32, u32)>,
    pub ochre_only: bool,
}

/// Lines between blank lines.
pub struct Block {
    /// Number of its first line, from 1.
    pub line: usize,
    /// The lines above `---`, as they are.
    pub head: Vec<String>,
    pub steps: Vec<Step>,
    pub resp3: bool,
    pub conditions: Conditions,
    /// `None` without `---`.
    pub replies: Option<Vec<String>>,
    /// Number of the line behind `---`.
    pub replies_line: usize,
    pub effects: Option<Vec<String>>,
}

pub struct Step {
    /// Name of the connection, empty for the usual one.
    pub connection: String,
    pub act: Act,
}

pub enum Act {
    Call { words: Vec<Vec<u8>>, sorted: bool },
    Send(Vec<Vec<u8>>),
    Raw(Vec<u8>),
    Read { sorted: bool },
    Close,
    Advance(u64),
    Expire,
    Config { name: String, value: Vec<u8> },
    Blocked(u64),
}

impl Script {
    pub fn load(path: &Path) -> Result<Script, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let mut script = Script { path: path.into(), conditions: Conditions::default(), blocks: Vec::new() };
        let mut lines: Vec<(usize, &str)> = Vec::new();
        for (index, line) in text.lines().chain([""]).enumerate() {
            if !line.trim().is_empty() {
                lines.push((index + 1, line.trim_end()));
            } else if !lines.is_empty() {
                let block = Block::parse(&lines)?;
                if script.blocks.is_empty() && block.steps.is_empty() {
                    script.conditions = block.conditions;
                }
                script.blocks.push(block);
                lines.clear();
            }
        }
        Ok(script)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(Block::text).collect();
        blocks.join("\n")
    }
}

impl Block {
    fn parse(lines: &[(usize, &str)]) -> Result<Block, String> {
        let mut block = Block {
            line: lines[0].0,
            head: Vec::new(),
            steps: Vec::new(),
            resp3: false,
            conditions: Conditions::default(),
            replies: None,
            replies_line: 0,
            effects: None,
        };
        let mut sorted = false;
        for &(number, line) in lines {
            match (line, &mut block.replies, &mut block.effects) {
                ("--- effects", ..) => block.effects = Some(Vec::new()),
                ("---", ..) => {
                    block.replies = Some(Vec::new());
                    block.replies_line = number + 1;
                }
                (_, _, Some(effects)) => effects.push(line.to_owned()),
                (_, Some(replies), _) => push_reply(replies, line),
                _ => {
                    block.head.push(line.to_owned());
                    block
                        .head_line(line.trim_start(), &mut sorted)
                        .map_err(|error| format!("{number}: {error}"))?;
                }
            }
        }
        Ok(block)
    }

    fn head_line(&mut self, line: &str, sorted: &mut bool) -> Result<(), String> {
        if let Some(comment) = line.strip_prefix('#') {
            match comment.split_whitespace().collect::<Vec<_>>()[..] {
                ["ochre-only", ..] => self.conditions.ochre_only = true,
                ["since", version, ..] => self.conditions.since = Some(parse_version(version)?),
                _ => {}
            }
            return Ok(());
        }
        let Some(directive) = line.strip_prefix('!') else {
            let (connection, rest) = split_connection(line);
            let act = Act::Call { words: text::words(rest)?, sorted: std::mem::take(sorted) };
            self.steps.push(Step { connection, act });
            return Ok(());
        };
        let directive = directive.trim_start();
        let (name, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
        let (connection, rest) = split_connection(rest.trim_start());
        let act = match name {
            "resp3" => {
                self.resp3 = true;
                return Ok(());
            }
            "sorted" => {
                *sorted = true;
                return Ok(());
            }
            "advance" => {
                Act::Advance(rest.trim().parse().map_err(|_| format!("not a number of ms: {rest}"))?)
            }
            "expire" => Act::Expire,
            "blocked" => {
                Act::Blocked(rest.trim().parse().map_err(|_| format!("not a number of clients: {rest}"))?)
            }
            "config" => match text::words(rest)?.as_slice() {
                [name, value @ ..] => {
                    Act::Config { name: String::from_utf8_lossy(name).into_owned(), value: value.join(&b' ') }
                }
                [] => return Err("config what?".into()),
            },
            "send" => Act::Send(text::words(rest)?),
            "raw" => Act::Raw(text::words(rest)?.concat()),
            "read" => Act::Read { sorted: std::mem::take(sorted) },
            "close" => Act::Close,
            other => return Err(format!("unknown directive: {other}")),
        };
        self.steps.push(Step { connection, act });
        Ok(())
    }

    fn text(&self) -> String {
        let mut lines: Vec<&str> = self.head.iter().map(String::as_str).collect();
        if let Some(replies) = &self.replies {
            lines.push("---");
            lines.extend(replies.iter().map(String::as_str));
        }
        if let Some(effects) = &self.effects {
            lines.push("--- effects");
            lines.extend(effects.iter().map(String::as_str));
        }
        lines.join("\n") + "\n"
    }
}

/// Joins an empty list that stands on two lines.
fn push_reply(replies: &mut Vec<String>, line: &str) {
    if let Some(last) = replies.last_mut()
        && (last.ends_with('[') && line.trim() == "]" || last.ends_with('{') && line.trim() == "}")
    {
        last.push_str(line.trim());
    } else {
        replies.push(line.to_owned());
    }
}

fn split_connection(line: &str) -> (String, &str) {
    match line.strip_prefix('@') {
        None => (String::new(), line),
        Some(rest) => {
            let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (name.to_owned(), rest)
        }
    }
}

/// `8.0.6` or `8.0` as major and minor.
pub fn parse_version(text: &str) -> Result<(u32, u32), String> {
    let mut parts = text.split('.').map(|part| part.parse().map_err(|_| format!("not a version: {text}")));
    Ok((parts.next().unwrap_or(Ok(0))?, parts.next().unwrap_or(Ok(0))?))
}
