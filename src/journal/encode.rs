//! From effects to commands.
//!
//! ```text
//! SET k v   in database 3            *2 SELECT 3, *3 SET k v              SELECT only when the database changes
//! k expired, then INCR k             MULTI, DEL k, INCR k, EXEC           several commands are one transaction
//! fields of h expired                HDEL h f1 f2
//! ```

use crate::keyspace::{DbIndex, EffectRecord, What};
use crate::resp::{Args, push_record};

/// Appends a request in the form of the log: as it came, where that is the same.
#[inline]
pub fn push_request(out: &mut Vec<u8>, args: &Args<'_>) {
    match args.as_record() {
        Some(bytes) => out.extend_from_slice(bytes),
        None => push_anew(out, args),
    }
}

#[inline(never)] // Much longer than the usual case.
fn push_anew(out: &mut Vec<u8>, args: &Args<'_>) {
    // Once for all of it: what stands around an argument is seldom longer.
    out.reserve(args.total_bytes() + 8 * (args.len() + 1));
    push_record(out, args.iter());
}

/// Appends commands to a buffer.
pub(super) struct Encoder<'q> {
    out: &'q mut Vec<u8>,
    db: &'q mut Option<DbIndex>,
}

/// How many commands the records mean by themselves.
pub(super) fn count(records: &[EffectRecord]) -> usize {
    records.iter().filter(|record| is_command(&record.what)).count()
}

fn is_command(what: &What) -> bool {
    matches!(what, What::Expired | What::ElementsExpired(_))
}

impl<'q> Encoder<'q> {
    pub(super) fn new(out: &'q mut Vec<u8>, db: &'q mut Option<DbIndex>) -> Encoder<'q> {
        Encoder { out, db }
    }

    /// Wraps what `fill` appends if it is a transaction.
    pub(super) fn transaction(&mut self, is_one: bool, fill: impl FnOnce(&mut Self)) {
        if is_one {
            push_record(self.out, [b"MULTI".as_slice()].into_iter());
        }
        fill(self);
        if is_one {
            push_record(self.out, [b"EXEC".as_slice()].into_iter());
        }
    }

    /// Commands and what expired, in the order in which they happened.
    pub(super) fn interleave(
        &mut self,
        commands: &[(DbIndex, Args<'_>)],
        records: &[EffectRecord],
        marks: &[usize],
    ) {
        let mut told = 0;
        for (index, (db, args)) in commands.iter().enumerate() {
            let mark = marks.get(index).copied().unwrap_or(records.len());
            self.expired(records.get(told..mark).unwrap_or_default());
            told = told.max(mark);
            self.request(*db, args);
        }
        self.expired(records.get(told..).unwrap_or_default());
    }

    fn expired(&mut self, records: &[EffectRecord]) {
        for record in records {
            match &record.what {
                What::Expired => {
                    self.command(record.db, [b"DEL".as_slice(), &record.key].into_iter());
                }
                What::ElementsExpired(elements) => {
                    let words: Vec<&[u8]> = [b"HDEL".as_slice(), &record.key]
                        .into_iter()
                        .chain(elements.iter().map(|element| &**element))
                        .collect();
                    self.command(record.db, words.into_iter());
                }
                What::Modified | What::Event(..) | What::Flushed => {}
            }
        }
    }

    /// A command as it came.
    #[inline]
    pub(super) fn request(&mut self, db: DbIndex, args: &Args<'_>) {
        self.select(db);
        push_request(self.out, args);
    }

    /// Commands in the form of the log, all for one database.
    pub(super) fn records(&mut self, db: DbIndex, records: &[u8]) {
        self.select(db);
        self.out.extend_from_slice(records);
    }

    fn command<'a>(&mut self, db: DbIndex, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.select(db);
        push_record(self.out, args);
    }

    #[inline]
    fn select(&mut self, db: DbIndex) {
        if *self.db != Some(db) {
            *self.db = Some(db);
            let number = db.0.to_string();
            push_record(self.out, [b"SELECT".as_slice(), number.as_bytes()].into_iter());
        }
    }
}
