//! What is appended, when the writer wakes, and when replies leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::*;
use crate::keyspace::What;
use crate::resp::OwnedArgs;

fn on() -> Journal {
    let journal = Journal::new();
    journal.switch(true);
    journal
}

fn append(journal: &Journal, db: u16, line: &str) -> JournalOffset {
    let args = OwnedArgs::from_slices(line.split(' ').map(str::as_bytes));
    journal.append(&[(DbIndex(db), args.as_args())], &[], &[]).expect("it is on")
}

/// The queued words, one command a line; `--` where the file changes.
fn drain(journal: &Journal) -> String {
    let mut text = String::new();
    while let Some(piece) = journal.take(Vec::new()) {
        match piece {
            Piece::Cut(number) => text.push_str(&format!("-- {number}\n")),
            Piece::Records(records) => {
                let mut parser = crate::resp::RecordParser::default();
                let bytes = records.parts.concat();
                let mut bytes = bytes.as_slice();
                while let crate::resp::Record::Complete(len) = parser.parse(bytes) {
                    let words: Vec<_> =
                        parser.args(bytes).iter().map(|word| word.escape_ascii().to_string()).collect();
                    text.push_str(&format!("{}\n", words.join(" ")));
                    bytes = &bytes[len..];
                }
                assert!(bytes.is_empty());
            }
        }
    }
    text
}

fn record(db: u16, key: &str, what: What) -> EffectRecord {
    EffectRecord { db: DbIndex(db), key: key.as_bytes().into(), what }
}

#[test]
fn nothing_is_kept_while_nobody_reads() {
    let journal = Journal::new();
    let args = OwnedArgs::from_slices([b"SET".as_slice()]);
    assert_eq!(journal.append(&[(DbIndex(0), args.as_args())], &[], &[]), None);
    assert_eq!(journal.end(), JournalOffset(0));
}

#[test]
fn several_commits_are_appended_at_once() {
    let journal = on();
    let mut records = Vec::new();
    for line in ["SET a 1", "SET b 2"] {
        push_request(&mut records, &OwnedArgs::from_slices(line.split(' ').map(str::as_bytes)).as_args());
    }
    let first = journal.append_records(DbIndex(2), &records, 2);
    assert_eq!(first, journal.end());
    assert_eq!(journal.waiting_commits(), 2);
    append(&journal, 2, "SET c 3");
    assert_eq!(drain(&journal), "SELECT 2\nSET a 1\nSET b 2\nSET c 3\n");
}

#[test]
fn databases_transactions_and_what_expired() {
    let journal = on();
    append(&journal, 0, "SET a 1");
    append(&journal, 0, "SET b 2");
    append(&journal, 3, "SET c 3");
    let (set, incr) = (
        OwnedArgs::from_slices([b"SET".as_slice(), b"k"]),
        OwnedArgs::from_slices([b"INCR".as_slice(), b"k"]),
    );
    let commands = [(DbIndex(3), set.as_args()), (DbIndex(1), incr.as_args())];
    let records = [
        record(3, "x", What::Expired),
        record(3, "k", What::Modified),
        record(3, "k", What::Expired),
        record(1, "h", What::ElementsExpired(vec![b"f".as_slice().into(), b"g".as_slice().into()])),
    ];
    journal.append(&commands, &records, &[2, 3]);
    journal.cut(7);
    append(&journal, 1, "SET d 4");
    journal.append(&[], &records[1..2], &[]);
    assert_eq!(
        drain(&journal),
        "SELECT 0\nSET a 1\nSET b 2\nSELECT 3\nSET c 3\n\
         MULTI\nDEL x\nSET k\nDEL k\nSELECT 1\nINCR k\nHDEL h f g\nEXEC\n\
         -- 7\nSELECT 1\nSET d 4\n"
    );
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn replies_wait_for_durability_only_when_told_to() {
    let journal = on();
    let first = append(&journal, 0, "SET a 1");
    assert!(journal.is_released(first) && !journal.is_holding());
    journal.set_release(Release::Durable);
    let second = append(&journal, 0, "SET a 2");
    assert!(!journal.is_released(first) && journal.is_holding());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(journal.park(first, &waker) && journal.park(second, &waker));
    journal.progress(second, first);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(journal.is_released(first) && !journal.is_released(second));
    assert!(!journal.park(first, &waker));
    journal.set_release(Release::Freely);
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert!(journal.is_released(second));
}

#[test]
fn a_long_queue_holds_replies_until_it_is_written() {
    let journal = on();
    let big = "x".repeat(1 << 20);
    let mut last = JournalOffset(0);
    for _ in 0..65 {
        last = append(&journal, 0, &format!("SET a {big}"));
    }
    assert!(!journal.is_released(last) && journal.backlog_bytes() > BACKLOG_MAX_BYTES);
    journal.progress(JournalOffset(last.0 / 2), JournalOffset(0));
    assert!(journal.is_released(last));
}

#[test]
fn the_writer_sleeps_until_it_has_a_reason_not_to() {
    let journal = on();
    append(&journal, 0, "SET a 1");
    journal.sleep(Alarm::Commits(1), None);
    journal.call();
    journal.sleep(Alarm::Commits(5), None);
    journal.sleep(Alarm::Never, Some(Duration::ZERO));
    std::thread::scope(|scope| {
        scope.spawn(|| journal.sleep(Alarm::Commits(3), None));
        scope.spawn(|| {
            append(&journal, 0, "SET a 2");
            append(&journal, 0, "SET a 3");
        });
    });
    assert_eq!(journal.waiting_commits(), 3);
}

#[test]
fn full_pieces_call_for_the_writer() {
    let journal = on();
    let big = "x".repeat(PIECE_BYTES / 2);
    append(&journal, 0, &format!("SET a {big}"));
    std::thread::scope(|scope| {
        scope.spawn(|| journal.sleep(Alarm::Bytes(PIECE_BYTES as u64), None));
        append(&journal, 0, &format!("SET b {big}"));
    });
    // One that is full already does too.
    journal.sleep(Alarm::Bytes(PIECE_BYTES as u64), None);
    let Some(Piece::Records(records)) = journal.take(Vec::new()) else { panic!("a piece") };
    assert_eq!((records.commits, records.end), (2, journal.end()));
    assert_eq!(journal.take(Vec::new()), None);
}

#[test]
fn buffers_are_used_again_unless_they_are_too_long() {
    let journal = on();
    let next_capacity = |spare: Vec<u8>| {
        append(&journal, 0, "SET a 1");
        let Some(Piece::Records(records)) = journal.take(vec![spare]) else { panic!("a piece") };
        records.parts[0].capacity()
    };
    let marked = BUFFER_BYTES + 100;
    next_capacity(Vec::with_capacity(marked));
    assert_eq!(next_capacity(Vec::with_capacity(2 * BUFFER_BYTES)), marked);
    assert_eq!(next_capacity(Vec::new()), BUFFER_BYTES);
}

#[test]
fn pieces_are_taken_together_up_to_a_bound_or_a_cut() {
    let journal = on();
    let big = "x".repeat(PIECE_BYTES);
    let append_some = |count| {
        (0..count).for_each(|_| {
            append(&journal, 0, &format!("SET a {big}"));
        })
    };
    let take = || match journal.take(Vec::new()) {
        Some(Piece::Records(records)) => (records.parts.len(), records.commits),
        Some(Piece::Cut(number)) => (0, number),
        None => (0, 0),
    };
    let most = BATCH_BYTES / PIECE_BYTES;
    append_some(most + 2);
    append(&journal, 0, "SET a 1");
    assert_eq!([take(), take(), take()], [(most, most as u64), (3, 3), (0, 0)]);
    append_some(2);
    journal.cut(7);
    append(&journal, 0, "SET a 1");
    assert_eq!([take(), take(), take(), take()], [(2, 2), (0, 7), (1, 1), (0, 0)]);
    assert_eq!(journal.waiting_commits(), 0);
}
