//! The texts of scripts, by the SHA-1 of the text.
//!
//! What SCRIPT LOAD brings stays until SCRIPT FLUSH. What EVAL brings is kept for EVALSHA too, but only the last
//! [`EVAL_SCRIPTS_MAX`] of them: clients that build their scripts anew for every call would fill the memory.

use std::collections::{HashMap, VecDeque};
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
}

#[derive(Default)]
struct Texts {
    by_sha: HashMap<Sha, (Arc<Script>, bool), ByDigits>,
    /// Those that EVAL brought, oldest first.
    of_eval: VecDeque<Sha>,
    bytes: usize,
}

/// The scripts of a server.
#[derive(Default)]
pub struct Scripts {
    texts: RwLock<Texts>,
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

    /// The script with that text, which is read if it is new. `is_loaded`: it stays until SCRIPT FLUSH.
    ///
    /// # Errors
    /// Its first line is wrong.
    pub fn load(&self, text: &[u8], is_loaded: bool) -> Result<Arc<Script>, CmdError> {
        let sha = sha_of(text);
        if let Some((script, was_loaded)) = self.texts.read().by_sha.get(&sha)
            && (*was_loaded || !is_loaded)
        {
            return Ok(Arc::clone(script));
        }
        let (flags, _) = shebang::parse(text)?;
        let script = Arc::new(Script { sha, text: text.into(), flags });
        self.keep(&script, is_loaded);
        Ok(script)
    }

    fn keep(&self, script: &Arc<Script>, is_loaded: bool) {
        let mut texts = self.texts.write();
        if let Some((_, was_loaded)) = texts.by_sha.get_mut(&script.sha) {
            if is_loaded && !std::mem::replace(was_loaded, true) {
                texts.of_eval.retain(|sha| *sha != script.sha);
            }
            return;
        }
        texts.bytes += script.text.len();
        texts.by_sha.insert(script.sha, (Arc::clone(script), is_loaded));
        if is_loaded {
            return;
        }
        texts.of_eval.push_back(script.sha);
        if texts.of_eval.len() > EVAL_SCRIPTS_MAX
            && let Some(oldest) = texts.of_eval.pop_front()
            && let Some((gone, _)) = texts.by_sha.remove(&oldest)
        {
            texts.bytes -= gone.text.len();
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
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
    use super::{EVAL_SCRIPTS_MAX, Scripts, parse_sha, sha_of};

    #[test]
    fn what_eval_brings_is_kept_for_a_while_only() {
        let scripts = Scripts::default();
        let loaded = scripts.load(b"return 0", true).unwrap();
        assert_eq!(loaded.sha, *b"06d3d9b2060dd51343d5f19f0e531f15c507e3d1");
        for number in 1..=EVAL_SCRIPTS_MAX + 1 {
            scripts.load(format!("return {number}").as_bytes(), false).unwrap();
        }
        assert!(scripts.find(&sha_of(b"return 1")).is_none());
        assert!(scripts.find(&sha_of(b"return 2")).is_some());
        assert!(scripts.find(&loaded.sha).is_some());
        assert_eq!((scripts.count().0, scripts.evicted()), (EVAL_SCRIPTS_MAX + 1, 1));
        scripts.flush();
        assert_eq!(scripts.count(), (0, 0));
        assert_eq!(parse_sha(b"x"), None);
    }
}
