//! The log as a whole, with the manual clock and a real file.

use super::*;
use crate::base::clock::UnixMs;

fn started(directory: &tempfile::TempDir) -> LogHandle {
    let file = Some(directory.path().join("log"));
    let time = Time::manual(UnixMs(1_795_254_101_123));
    LogHandle::new(Settings { file, time, ..Settings::default() }).unwrap()
}

fn lines(directory: &tempfile::TempDir, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
    text.lines().map(|line| line.split_once(':').unwrap().1.to_owned()).collect()
}

fn one_of_each() {
    tracing::trace!("t");
    tracing::debug!("d");
    tracing::info!("i");
    tracing::warn!("w");
    tracing::error!(code = 7, "e");
}

#[test]
fn levels_marks_and_changes_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let log = started(&directory);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.layer()), || {
        for level in Level::ALL {
            log.set_level(level);
            assert_eq!(log.level(), level);
            one_of_each();
        }
    });
    let marks: String = lines(&directory, "log")
        .iter()
        .map(|line| line.strip_prefix("M 21 Nov 2026 09:41:41.123 ").unwrap())
        .map(|rest| &rest[..1])
        .collect();
    // Release builds leave out `trace!`.
    let traced = if tracing::level_filters::STATIC_MAX_LEVEL < tracing::Level::TRACE { "" } else { "." };
    assert_eq!(marks, [traced, "-*##", "-*##", "*##", "##", ""].concat());
    assert!(lines(&directory, "log").last().unwrap().ends_with("# e code=7"));
}

#[test]
fn files_and_formats_change_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let log = started(&directory);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.layer()), || {
        tracing::info!("one\n{}", "forged");
        assert!(log.set_file(Some(&directory.path().join("missing/log"))).is_err());
        std::fs::rename(directory.path().join("log"), directory.path().join("moved")).unwrap();
        tracing::info!("two");
        log.reopen().unwrap();
        log.set_role(b'S');
        tracing::info!("three");
        log.set_format(Format::Logfmt);
        assert_eq!(log.format(), Format::Logfmt);
        tracing::info!(target: "tokio::runtime", "not ours");
        tracing::info!(target: "ochreous", "not ours");
        tracing::info!("four");
    });
    let starts = "M 21 Nov 2026 09:41:41.123 * ";
    assert_eq!(lines(&directory, "moved"), [format!("{starts}one\\nforged"), format!("{starts}two")]);
    let last = lines(&directory, "log");
    assert_eq!((last.len(), last[0].as_str()), (2, "S 21 Nov 2026 09:41:41.123 * three"));
    assert!(last[1].ends_with("msg=\"four\""));
}

#[test]
fn names() {
    assert!(Level::ALL.iter().all(|level| Level::from_name(level.name()) == Some(*level)));
    assert_eq!(Level::from_name("NOTICE"), Some(Level::Notice));
    assert_eq!((Level::from_name("loud"), Format::from_name("xml")), (None, None));
    assert!(Format::ALL.iter().all(|format| Format::from_name(format.name()) == Some(*format)));
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let settings = Settings { file: Some("/nonexistent/log".into()), ..Settings::default() };
    assert!(LogHandle::new(settings).is_err());
}
