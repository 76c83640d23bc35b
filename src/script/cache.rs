//! The texts of scripts, by the SHA-1 of the text.
//!
//! What SCRIPT LOAD brings stays until SCRIPT FLUSH. What EVAL brings is kept for EVALSHA too, but only the
//! [`EVAL_SCRIPTS_MAX`] that were called last: clients that build their scripts anew for every call would fill the memory.
//! Which those are is known from a number that each call leaves with its script, so that a call changes no order under a lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::shebang::{self, Flags};
use super::states::States;
use crate::base::sha1;
use crate::dispatch::CmdError;
use crate::resp::OwnedArgs;

/// Scripts of EVAL that are kept, as in Redis 7.4 and later.
const EVAL_SCRIPTS_MAX: usize = 500;

/// No call has that number.
const NEVER: u64 = u64::MAX;

/// 40 hexadecimal digits in lower case.
pub type Sha = [u8; 40];

/// Digits of a SHA-1 are random enough: sixteen of them are the hash.
pub type ByDigits = BuildHasherDefault<Digits>;

/// See [`ByDigits`].
#[derive(Default)]
pub struct Digits(u64);

impl Hasher for Digits {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((one, rest)) = bytes.split_first_chunk::<8>()
            && let Some((other, _)) = rest.split_first_chunk::<8>()
        {
            // A digit has its entropy in the low bits of its byte.
            let both = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other).rotate_left(4);
            self.0 = both.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// One script.
pub struct Script {
    pub sha: Sha,
    pub text: Box<[u8]>,
    pub flags: Flags,
    /// The number of its last call, or [`NEVER`].
    called: AtomicU64,
}

impl Script {
    /// The script of that text.
    ///
    /// # Errors
    /// Its first line is wrong.
    pub fn read(text: &[u8]) -> Result<Script, CmdError> {
        let (flags, _) = shebang::parse(text)?;
        Ok(Script { sha: sha_of(text), text: text.into(), flags, called: AtomicU64::new(NEVER) })
    }
}

#[derive(Default)]
struct Texts {
    by_sha: HashMap<Sha, (Arc<Script>, bool), ByDigits>,
    /// Those that EVAL brought.
    of_eval: Vec<Arc<Script>>,
    bytes: usize,
}

impl Texts {
    /// Removes the script of EVAL whose last call is longest ago.
    fn evict(&mut self) {
        let calls = self.of_eval.iter().map(|script| script.called.load(Ordering::Relaxed));
        let Some((oldest, _)) = calls.enumerate().min_by_key(|(_, call)| *call) else { return };
        let gone = self.of_eval.swap_remove(oldest);
        self.by_sha.remove(&gone.sha);
        self.bytes -= gone.text.len();
    }
}

/// The scripts of a server.
#[derive(Default)]
pub struct Scripts {
    texts: RwLock<Texts>,
    /// Calls, but for those of the script that was called last.
    calls: AtomicU64,
    evicted: AtomicU64,
    running: Mutex<Vec<Arc<Running>>>,
    /// The states of the workers, which begin anew after SCRIPT FLUSH.
    pub states: States,
}

/// A script that runs.
#[derive(Default)]
pub struct Running {
    /// Monotonic.
    pub started_us: u64,
    /// It is a function.
    pub function: Option<Called>,
    pub is_killed: AtomicBool,
    pub has_written: AtomicBool,
}

/// How a function was called.
#[derive(Clone)]
pub struct Called {
    pub name: Box<[u8]>,
    pub request: OwnedArgs,
}

impl Scripts {
    pub fn find(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.texts.read().by_sha.get(sha).map(|(script, _)| Arc::clone(script))
    }

    /// As [`Scripts::find`], for a call.
    pub fn called(&self, sha: &Sha) -> Option<Arc<Script>> {
        let script = self.find(sha)?;
        self.note_call(&script);
        Some(script)
    }

    /// A script is called.
    pub fn note_call(&self, script: &Script) {
        // One script called again and again writes nothing.
        if script.called.load(Ordering::Relaxed) != self.calls.load(Ordering::Relaxed) {
            script.called.store(self.calls.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Keeps a script that compiles. `is_loaded`: it stays until SCRIPT FLUSH.
    pub fn keep(&self, script: &Arc<Script>, is_loaded: bool) {
        self.note_call(script);
        let mut texts = self.texts.write();
        if let Some((_, was_loaded)) = texts.by_sha.get_mut(&script.sha) {
            if is_loaded && !std::mem::replace(was_loaded, true) {
                texts.of_eval.retain(|other| other.sha != script.sha);
            }
            return;
        }
        texts.bytes += script.text.len();
        texts.by_sha.insert(script.sha, (Arc::clone(script), is_loaded));
        if is_loaded {
            return;
        }
        if texts.of_eval.len() >= EVAL_SCRIPTS_MAX {
            texts.evict();
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        texts.of_eval.push(Arc::clone(script));
    }

    /// SCRIPT FLUSH.
    pub fn flush(&self) {
        *self.texts.write() = Texts::default();
        self.states.begin_anew();
    }

    /// How many scripts there are, and the bytes of their texts.
    pub fn count(&self) -> (usize, usize) {
        let texts = self.texts.read();
        (texts.by_sha.len(), texts.bytes)
    }

    /// How many scripts of EVAL went to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_evicted(&self) {
        self.evicted.store(0, Ordering::Relaxed);
    }

    /// A script begins.
    pub fn begin(&self, started_us: u64) -> Arc<Running> {
        self.begin_one(Running { started_us, ..Running::default() })
    }

    /// A function begins.
    pub fn begin_function(&self, started_us: u64, called: Called) -> Arc<Running> {
        self.begin_one(Running { started_us, function: Some(called), ..Running::default() })
    }

    fn begin_one(&self, running: Running) -> Arc<Running> {
        let running = Arc::new(running);
        self.running.lock().push(Arc::clone(&running));
        running
    }

    /// A script ends.
    pub fn end(&self, running: &Arc<Running>) {
        self.running.lock().retain(|other| !Arc::ptr_eq(other, running));
    }

    /// The scripts that run.
    pub fn running(&self) -> Vec<Arc<Running>> {
        self.running.lock().clone()
    }
}

/// The name of a text.
pub fn sha_of(text: &[u8]) -> Sha {
    let hex = sha1::hex(&sha1::sha1(text));
    <Sha>::try_from(hex.as_bytes()).unwrap_or([b'0'; 40])
}

/// A name as a client writes it: digits of either case.
pub fn parse_sha(word: &[u8]) -> Option<Sha> {
    <Sha>::try_from(word).ok().map(|sha| sha.map(|digit| digit.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{EVAL_SCRIPTS_MAX, Script, Scripts, parse_sha, sha_of};

    #[test]
    fn what_eval_brings_is_kept_as_long_as_it_is_called() {
        let scripts = Scripts::default();
        let keep = |text: &str, is_loaded| {
            scripts.keep(&Arc::new(Script::read(text.as_bytes()).unwrap()), is_loaded);
        };
        let is_there = |text: &[u8]| scripts.find(&sha_of(text)).is_some();
        assert_eq!(sha_of(b"return 0"), *b"06d3d9b2060dd51343d5f19f0e531f15c507e3d1");
        keep("return 0", true);
        (1..=EVAL_SCRIPTS_MAX).for_each(|number| keep(&format!("return {number}"), false));
        assert!(scripts.called(&sha_of(b"return 1")).is_some());
        keep("return 'new'", false);
        assert!(is_there(b"return 0") && is_there(b"return 1") && is_there(b"return 'new'"));
        assert!(!is_there(b"return 2") && is_there(b"return 3"));
        assert_eq!((scripts.count().0, scripts.evicted()), (EVAL_SCRIPTS_MAX + 1, 1));
        keep("return 3", true);
        keep("return 'newer'", false);
        assert!(is_there(b"return 3") && is_there(b"return 4"));
        scripts.reset_evicted();
        assert_eq!(scripts.evicted(), 0);
        scripts.flush();
        assert_eq!(scripts.count(), (0, 0));
        assert_eq!(parse_sha(b"x"), None);
    }
}
