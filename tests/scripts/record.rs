//! Effects as lines: a listener beside the journal.
//!
//! ```text
//! modified k            what WATCH and tracking would hear
//! event $ set k         class letter, event, key
//! expired k             removed at its deadline
//! flushed               a database was emptied
//! journal SET k v       the command that repeats what happened
//! ```
//!
//! Behind a database other than 0 stands ` @n`.

use std::sync::{Arc, Mutex};

use ochre::dispatch::sink::{Commit, Sink};
use ochre::keyspace::{DbIndex, What};

use super::text::word;

#[derive(Default)]
pub struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    pub fn attach(engine: &ochre::dispatch::Engine) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::default());
        engine.observe(Arc::clone(&recorder) as Arc<dyn Sink>);
        recorder
    }

    /// What happened since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no listener panicked"))
    }
}

impl Sink for Recorder {
    fn commit(&self, commit: &Commit<'_>) {
        let mut lines = self.0.lock().expect("no listener panicked");
        for record in &commit.effects.records {
            let key = word(&record.key);
            let text = match &record.what {
                What::Modified => format!("modified {key}"),
                What::Event(class, name) => format!("event {} {name} {key}", class.letter()),
                What::Expired => format!("expired {key}"),
                What::ElementsExpired(elements) => {
                    let names = elements.iter().map(|name| name.escape_ascii().to_string());
                    format!("expired {key} {}", names.collect::<Vec<_>>().join(" "))
                }
                What::Flushed => "flushed".into(),
            };
            lines.push(in_database(text, record.db));
        }
        for (db, command) in commit.commands {
            let words: Vec<String> = command.iter().map(word).collect();
            lines.push(in_database(format!("journal {}", words.join(" ")), *db));
        }
    }
}

fn in_database(text: String, db: DbIndex) -> String {
    if db.0 == 0 { text } else { format!("{text} @{}", db.0) }
}
