//! The rules of the house that a machine can check. Each failure names file and line.
//!
//! Modules are listed in `src/lib.rs` in dependency order, and import only from modules above them; that list is the
//! data of the first test, so a new module finds its place there and nowhere else.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails.

use std::path::{Path, PathBuf};

/// Longest file, in lines.
const LINES_MAX: usize = 1_000;

/// Where `unsafe` may be allowed.
const UNSAFE_FOLDERS: [&str; 2] = ["src/ds/", "src/alloc/"];

/// A word, where it may stand, and what to do instead. Words are cut in two so that this file passes its own test.
const BANNED: &[(&[&str], &[&str], &str)] = &[
    (&["todo", "!("], &[], "finish it, or leave it out"),
    (&["unimple", "mented!("], &[], "finish it, or leave it out"),
    (&["db", "g!("], &[], "use the log"),
    (&["#[ig", "nore"], &[], "a test runs or goes"),
    (
        &["print", "ln!("],
        &["src/main.rs", "src/server/mod.rs", "src/server/tools.rs", "benches/", "tests/", "examples/"],
        "use the log",
    ),
    (&["SystemTime", "::now"], &["src/base/clock.rs"], "ask the injected clock"),
    (
        &["Instant", "::now"],
        &["src/base/clock.rs", "benches/", "tests/", "examples/"],
        "ask the injected clock",
    ),
    (&["thread_", "rng"], &[], "chance comes from base::rng"),
    // The macro of scoped thread-locals spells it so, too.
    (&["static ", "mut "], &["src/script/api.rs"], "there is no global state"),
    (&["/wo", "rk/"], &[], "no paths of somebody's machine"),
    (&["/var/", "tmp/"], &[], "no paths of somebody's machine"),
    (&["/ho", "me/"], &[], "no paths of somebody's machine"),
];

struct Source {
    /// From the repository's root.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text that is ours.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = ["src", "tests", "benches", "examples", "fuzz/fuzz_targets", "docs"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    let top = std::fs::read_dir(root()).expect("the root is readable").flatten().map(|entry| entry.path());
    waiting.extend(top.filter(|path| path.is_file()));
    while let Some(path) = waiting.pop() {
        if let Ok(entries) = std::fs::read_dir(&path) {
            waiting.extend(entries.flatten().map(|entry| entry.path()));
        } else if path
            .extension()
            .is_some_and(|extension| ["rs", "md", "toml", "txt"].iter().any(|e| extension == *e))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root()).expect("it is inside").display().to_string();
            found.push(Source { path, text });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn fail_if_any(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_import_only_from_modules_above() {
    let sources = sources();
    let library = sources.iter().find(|source| source.path == "src/lib.rs").expect("there is a library");
    let order: Vec<&str> =
        library.text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(order.len() > 10, "{order:?}");
    let rank = |name: &str| order.iter().position(|module| *module == name);
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some(own) = source.path.strip_prefix("src/").and_then(|path| path.split(['/', '.']).next())
        else {
            continue;
        };
        let Some(own_rank) = rank(own) else { continue };
        for (number, line) in source.lines() {
            // Comments may look down.
            let code = line.split("//").next().unwrap_or_default();
            for (at, _) in code.match_indices("crate::") {
                let name =
                    code[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric() && c != '_').next();
                if let Some(other) = name.and_then(rank).filter(|&other| other > own_rank) {
                    complaints.push(format!(
                        "{}:{number}: {own} imports from {}, which is below it",
                        source.path, order[other]
                    ));
                }
            }
        }
    }
    fail_if_any(&complaints);
}

#[test]
fn every_file_begins_with_what_it_is_about() {
    let sources = sources();
    let missing = sources.iter().filter(|source| source.is_rust() && !source.text.starts_with("//! "));
    fail_if_any(&missing.map(|source| format!("{}:1: no `//!` essay", source.path)).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let sources = sources();
    let long = sources.iter().filter(|source| source.is_rust() && source.text.lines().count() > LINES_MAX);
    fail_if_any(
        &long.map(|source| format!("{}: more than {LINES_MAX} lines", source.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn banned_words_do_not_occur() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.path != "tests/tidy.rs") {
        for (parts, places, advice) in BANNED {
            let word = parts.concat();
            let is_code = word.contains(['(', ':', '[']) || word.contains("mut") || word.contains("rng");
            if is_code && !source.is_rust() || places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for (number, line) in source.lines() {
                // Comments may speak of code.
                let text = if is_code { line.split("//").next().unwrap_or_default() } else { line };
                if text.contains(&word) {
                    complaints.push(format!("{}:{number}: {word}: {advice}", source.path));
                }
            }
        }
    }
    fail_if_any(&complaints);
}

#[test]
fn unsafe_code_has_its_places() {
    let allowance = ["allow(unsafe", "_code)"].concat();
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust() && source.path.starts_with("src/")) {
        for (number, line) in source.lines().filter(|(_, line)| line.contains(&allowance)) {
            if !UNSAFE_FOLDERS.iter().any(|folder| source.path.starts_with(folder)) {
                complaints.push(format!("{}:{number}: unsafe code is for {UNSAFE_FOLDERS:?}", source.path));
            }
            if !line.contains("//") {
                complaints.push(format!("{}:{number}: say behind it why unsafe code is needed", source.path));
            }
        }
    }
    fail_if_any(&complaints);
}

/// Words in backticks that look like paths of the repository.
fn paths(text: &str) -> impl Iterator<Item = (usize, &str)> {
    const FOLDERS: [&str; 7] = ["src/", "tests/", "benches/", "examples/", "docs/", "fuzz/", ".ci/"];
    text.lines().enumerate().flat_map(|(index, line)| {
        let quoted = line.split('`').skip(1).step_by(2);
        let is_path = |word: &&str| {
            FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '<', '…', ' ', '{'])
        };
        quoted.filter(is_path).map(move |word| (index + 1, word))
    })
}

#[test]
fn paths_that_documents_name_exist() {
    let sources = sources();
    let documents =
        sources.iter().filter(|source| source.path.ends_with(".md") && !source.path.contains('/'));
    let mut complaints = Vec::new();
    for document in documents {
        for (number, path) in paths(&document.text).filter(|(_, path)| !root().join(path).exists()) {
            complaints.push(format!("{}:{number}: there is no {path}", document.path));
        }
    }
    fail_if_any(&complaints);
}

/// An option that says it acts must be read by somebody.
#[test]
fn options_that_act_are_read() {
    // The store itself enforces it.
    const BY_THE_STORE: &[&str] = &["enable-protected-configs"];
    let is_reader =
        |source: &&Source| source.path.starts_with("src/") && !source.path.starts_with("src/config/");
    let readers: Vec<Source> = sources().into_iter().filter(|source| is_reader(&source)).collect();
    let complaints: Vec<String> = ochre::config::OPTIONS
        .iter()
        .filter(|option| option.state == ochre::config::State::Acts && !BY_THE_STORE.contains(&option.name))
        .filter(|option| {
            let field = format!(".{}", option.name.replace('-', "_"));
            !readers.iter().any(|source| source.text.contains(&field))
        })
        .map(|option| format!("{} says that it acts, and nobody reads it", option.name))
        .collect();
    fail_if_any(&complaints);
}
