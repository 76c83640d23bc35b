//! The door through which scripts in Lua call the host: words in, a reply out, nothing copied on the way in.
//!
//! ```text
//! redis.call('INCR', 'n') ─▶ C (build/main.rs, `luaB_call`): words on its stack ─▶ ochre_door ─▶ handler ─▶ Answer ─▶ C pushes it
//! ```
//!
//! The binding to Lua makes a handle of every value that passes; that costs more than most commands do. So the function that
//! scripts call all the time is C: it shows its arguments where they lie, and makes the value of a plain answer itself. Anything
//! else ([`Answer::Long`]) it fetches through the binding.
//!
//! A script's own words (KEYS, ARGV) go in by a door of their own: C makes the tables.
//!
//! **Invariant:** nothing unwinds into C: a panic of the handler is kept, and whoever ran the script goes on with it
//! ([`take_panic`]).

#![allow(unsafe_code)] // C calls in, with pointers to words that lie on its stack.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word<'w> {
    Number(f64),
    Text(&'w [u8]),
    /// Something that is no word.
    Other,
}

/// The arguments of one call, where C has them.
#[derive(Clone, Copy)]
pub struct Words<'w>(&'w [RawWord]);

impl<'w> Iterator for Words<'w> {
    type Item = Word<'w>;

    #[inline]
    fn next(&mut self) -> Option<Word<'w>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match first.kind {
            NUMBER => Word::Number(first.number),
            // SAFETY: whoever makes words of C's promises `len` bytes there, which stay as they are meanwhile; they are never null.
            TEXT => Word::Text(unsafe { std::slice::from_raw_parts(first.text, first.len) }),
            _ => Word::Other,
        })
    }
}

/// What C is to make of the reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    Number(f64),
    Text(&'a [u8]),
    False,
    Nil,
    /// In a table under `ok`.
    Status(&'a [u8]),
    /// To be fetched.
    Long,
}

/// Who answers the calls of a thread.
pub trait Handler {
    /// Answers one; what the answer refers to stays as it is until the next.
    fn answer(&mut self, words: Words<'_>) -> Answer<'_>;
}

thread_local! {
    static HANDLER: Cell<Option<Box<dyn Handler>>> = const { Cell::new(None) };
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
    static IS_DUE: Cell<bool> = const { Cell::new(false) };
}

/// Says inside of a call that it took so long that the interpreter is to look right behind it whether its script goes on.
#[cold]
pub fn hurry() {
    IS_DUE.set(true);
}

/// Says who answers the calls of this thread.
pub fn open(handler: Box<dyn Handler>) {
    HANDLER.set(Some(handler));
}

/// What the last call of this thread panicked with.
pub fn take_panic() -> Option<Box<dyn Any + Send>> {
    PANIC.take()
}

/// Whether a call of this thread panicked, and nobody has gone on with that yet.
pub fn has_panicked() -> bool {
    let payload = PANIC.take();
    let is_some = payload.is_some();
    PANIC.set(payload);
    is_some
}

thread_local! {
    /// The words of the script that begins: keys, and arguments behind them; and how many are keys.
    static SCRIPT_WORDS: Cell<(Vec<RawWord>, usize)> = const { Cell::new((Vec::new(), 0)) };
}

/// Takes the words out again, also when `run` panics: they point to what is not there for longer.
struct Withdraw;

impl Drop for Withdraw {
    fn drop(&mut self) {
        let (mut words, _) = SCRIPT_WORDS.take();
        words.clear();
        SCRIPT_WORDS.set((words, 0));
    }
}

/// Runs something that begins a script, whose words these are.
pub fn with_words<R>(keys: &[&[u8]], argv: &[&[u8]], run: impl FnOnce() -> R) -> R {
    let (mut words, _) = SCRIPT_WORDS.take();
    words.clear();
    let raw = |text: &&[u8]| RawWord { kind: TEXT, number: 0.0, text: text.as_ptr(), len: text.len() };
    words.extend(keys.iter().chain(argv).map(raw));
    SCRIPT_WORDS.set((words, keys.len()));
    let _withdraw = Withdraw;
    run()
}

/// What C calls when a script begins: how many words it has, where they lie, and how many of them are keys. They are there until
/// [`with_words`] ends, and C reads them before it runs anything else.
///
/// # Safety
/// Both places may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ochre_words(words: *mut *const RawWord, keys: *mut usize) -> usize {
    let held = SCRIPT_WORDS.take();
    let (start, count, key_count) = (held.0.as_ptr(), held.0.len(), held.1);
    // Moving the list does not move its words.
    SCRIPT_WORDS.set(held);
    // SAFETY: the caller promises that both may be written.
    unsafe {
        words.write(start);
        keys.write(key_count);
    }
    count
}

/// A word as C has it.
#[repr(C)]
pub struct RawWord {
    kind: i32,
    number: f64,
    text: *const u8,
    len: usize,
}

/// An answer as C has it.
#[repr(C)]
pub struct RawAnswer {
    kind: i32,
    /// The hook that counts instructions is to be called now.
    is_due: i32,
    number: f64,
    text: *const u8,
    len: usize,
}

const NUMBER: i32 = 0;
const TEXT: i32 = 1;
const FALSE: i32 = 2;
const NIL: i32 = 3;
const STATUS: i32 = 4;
const LONG: i32 = 5;

/// What C calls for a command: `count` words behind `words`, and a place for the answer. Its text is there until the next call of this thread.
///
/// # Safety
/// `words` points to `count` words, each text to as many bytes as it says, and all stay as they are until this returns;
/// `answer` may be written. Only `luaB_call` calls this, with an array of its own and strings that lie on the stack of Lua.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ochre_door(words: *const RawWord, count: usize, answer: *mut RawAnswer) {
    let words: &[RawWord] = match count {
        0 => &[],
        // SAFETY: the caller promises `count` words there.
        _ => unsafe { std::slice::from_raw_parts(words, count) },
    };
    // While a script waits for its next slice inside a call, nobody else answers.
    let mut handler = HANDLER.take();
    let answered = match &mut handler {
        Some(handler) => catch_unwind(AssertUnwindSafe(|| {
            // The answer is borrowed for longer than this closure: it takes the loan of the handler with it.
            let handler = handler;
            handler.answer(Words(words))
        })),
        None => Ok(Answer::Long),
    };
    let answered = answered.unwrap_or_else(|payload| {
        PANIC.set(Some(payload));
        Answer::Long
    });
    let (kind, number, text): (i32, f64, &[u8]) = match answered {
        Answer::Number(number) => (NUMBER, number, &[]),
        Answer::Text(text) => (TEXT, 0.0, text),
        Answer::False => (FALSE, 0.0, &[]),
        Answer::Nil => (NIL, 0.0, &[]),
        Answer::Status(text) => (STATUS, 0.0, text),
        Answer::Long => (LONG, 0.0, &[]),
    };
    let is_due = i32::from(IS_DUE.replace(false));
    let raw = RawAnswer { kind, is_due, number, text: text.as_ptr(), len: text.len() };
    // Moving the box does not move what the answer refers to, and it is changed by the next call only.
    HANDLER.set(handler);
    // SAFETY: the caller promises a place to write to.
    unsafe { answer.write(raw) };
}

/// Keeps the linker from dropping what only C calls.
#[used]
static KEPT: (
    unsafe extern "C" fn(*const RawWord, usize, *mut RawAnswer),
    unsafe extern "C" fn(*mut *const RawWord, *mut usize) -> usize,
) = (ochre_door, ochre_words);

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[RawWord]) -> (i32, f64, Vec<u8>) {
        let mut answer = RawAnswer { kind: -1, is_due: 0, number: 0.0, text: std::ptr::null(), len: 0 };
        // SAFETY: the words and the answer are ours, and there until the end of the test.
        unsafe { ochre_door(words.as_ptr(), words.len(), &mut answer) };
        // SAFETY: the text is there until the next call.
        let text = unsafe { std::slice::from_raw_parts(answer.text, answer.len) };
        (answer.kind, answer.number, text.to_vec())
    }

    fn word(text: &'static str) -> RawWord {
        RawWord { kind: TEXT, number: 0.0, text: text.as_ptr(), len: text.len() }
    }

    #[derive(Default)]
    struct Echo(Vec<u8>);

    impl Handler for Echo {
        fn answer(&mut self, mut words: Words<'_>) -> Answer<'_> {
            match words.next() {
                Some(Word::Number(number)) => Answer::Number(number + 1.0),
                Some(Word::Text(b"panic")) => panic!("at the door"),
                Some(Word::Text(text)) => {
                    self.0 = text.to_vec();
                    Answer::Text(self.0.get(1..).unwrap_or_default())
                }
                _ => Answer::Nil,
            }
        }
    }

    #[test]
    fn words_go_in_and_answers_come_out() {
        assert_eq!(call(&[word("abc")]).0, LONG, "nobody answers");
        open(Box::new(Echo::default()));
        assert_eq!(call(&[]), (NIL, 0.0, vec![]));
        assert_eq!(call(&[word("")]), (TEXT, 0.0, vec![]));
        assert_eq!(call(&[word("abc"), word("d")]), (TEXT, 0.0, b"bc".to_vec()));
        let number = RawWord { kind: NUMBER, number: 2.0, text: std::ptr::null(), len: 0 };
        assert_eq!(call(&[number]), (NUMBER, 3.0, vec![]));
        assert_eq!(call(&[word("panic")]).0, LONG);
        assert!(take_panic().is_some() && take_panic().is_none());
        assert_eq!(call(&[word("xy")]), (TEXT, 0.0, b"y".to_vec()));
    }
}
