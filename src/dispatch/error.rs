//! Every error a client may see, prefix and text in one place, byte for byte Redis's.

use std::borrow::Cow;

use crate::keyspace::{Busy, WrongType};
use crate::spec::keys::InvalidKeys;

/// Why a command was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CmdError {
    WrongType,
    Syntax,
    NotAnInteger,
    NotAFloat,
    /// An integer outside the range the command takes.
    OutOfRange,
    NoSuchKey,
    InvalidCursor,
    InvalidDbIndex,
    DbIndexOutOfRange,
    SameObject,
    Overflow,
    StringTooLong,
    NaNOrInfinity,
    /// Wrong number of arguments; the command's full name, lower case.
    Arity(Cow<'static, str>),
    InvalidExpire(&'static str),
    Timeout,
    NotAuthenticated,
    /// What is missing, without the code.
    NoPermission(Vec<u8>),
    InvalidKeys,
    OutOfMemory,
    /// Any other text, code included.
    Text(Cow<'static, str>),
    /// A script holds that for long: no error, the request is tried again later.
    HeldLong(Busy),
    /// An error line that the statistics have counted already.
    Counted(Vec<u8>),
    /// A text that quotes input, which need not be UTF-8.
    Bytes(Vec<u8>),
}

impl CmdError {
    /// `ERR` and a fixed text, or a text with its own code.
    pub const fn text(text: &'static str) -> CmdError {
        CmdError::Text(Cow::Borrowed(text))
    }

    pub fn owned(text: String) -> CmdError {
        CmdError::Text(Cow::Owned(text))
    }

    /// `ERR unknown command 'x', with args beginning with: 'a' 'b' `. Name and arguments are cut at 128
    /// bytes in all, as Redis does.
    pub fn unknown_command<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> CmdError {
        const ECHO_MAX_BYTES: usize = 128;
        let mut quoted = Vec::new();
        for arg in args {
            if quoted.len() >= ECHO_MAX_BYTES {
                break;
            }
            let room = ECHO_MAX_BYTES - quoted.len();
            quoted.push(b'\'');
            quoted.extend_from_slice(c_string(arg, room));
            quoted.extend_from_slice(b"' ");
        }
        let mut text = b"ERR unknown command '".to_vec();
        text.extend_from_slice(c_string(name, ECHO_MAX_BYTES));
        text.extend_from_slice(b"', with args beginning with: ");
        text.extend_from_slice(&quoted);
        CmdError::Bytes(text)
    }

    /// `ERR unknown subcommand 'x'. Try CONFIG HELP.`
    pub fn unknown_subcommand(container: &str, word: &[u8]) -> CmdError {
        let mut text = b"ERR unknown subcommand '".to_vec();
        text.extend_from_slice(c_string(word, 128));
        text.extend_from_slice(b"'. Try ");
        text.extend_from_slice(container.to_ascii_uppercase().as_bytes());
        text.extend_from_slice(b" HELP.");
        CmdError::Bytes(text)
    }

    /// A text around a word of the request, which is printed as C prints it: nothing from a NUL on.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> CmdError {
        let mut text = before.as_bytes().to_vec();
        text.extend_from_slice(c_string(word, word.len()));
        text.extend_from_slice(after.as_bytes());
        CmdError::Bytes(text)
    }

    /// What subcommands say that check their number of arguments themselves; `word` as the client wrote it.
    pub fn subcommand_syntax(container: &str, word: &[u8]) -> CmdError {
        let help = format!("'. Try {} HELP.", container.to_ascii_uppercase());
        CmdError::quoting("ERR unknown subcommand or wrong number of arguments for '", word, &help)
    }

    /// The line without its `-`.
    pub fn line(&self) -> Cow<'_, [u8]> {
        let text: Cow<'_, str> = match self {
            CmdError::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value".into(),
            CmdError::Syntax => "ERR syntax error".into(),
            CmdError::NotAnInteger => "ERR value is not an integer or out of range".into(),
            CmdError::NotAFloat => "ERR value is not a valid float".into(),
            CmdError::OutOfRange => "ERR value is out of range".into(),
            CmdError::NoSuchKey => "ERR no such key".into(),
            CmdError::InvalidCursor => "ERR invalid cursor".into(),
            CmdError::InvalidDbIndex => "ERR invalid DB index".into(),
            CmdError::DbIndexOutOfRange => "ERR DB index is out of range".into(),
            CmdError::SameObject => "ERR source and destination objects are the same".into(),
            CmdError::Overflow => "ERR increment or decrement would overflow".into(),
            CmdError::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)".into(),
            CmdError::NaNOrInfinity => "ERR increment would produce NaN or Infinity".into(),
            CmdError::Arity(name) => format!("ERR wrong number of arguments for '{name}' command").into(),
            CmdError::InvalidExpire(name) => format!("ERR invalid expire time in '{name}' command").into(),
            CmdError::Timeout => "ERR timeout is not an integer or out of range".into(),
            CmdError::NotAuthenticated => "NOAUTH Authentication required.".into(),
            CmdError::InvalidKeys => "ERR Invalid arguments specified for command".into(),
            CmdError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.".into(),
            CmdError::Text(text) => Cow::Borrowed(text.as_ref()),
            CmdError::HeldLong(_) => "BUSY a script runs".into(),
            CmdError::Bytes(bytes) | CmdError::Counted(bytes) => return Cow::Borrowed(bytes),
            CmdError::NoPermission(text) => return Cow::Owned([b"NOPERM ", &**text].concat()),
        };
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}

/// What C's `%.*s` prints: at most `max` bytes and nothing from a NUL on.
fn c_string(bytes: &[u8], max: usize) -> &[u8] {
    let end = bytes.iter().take(max).position(|&byte| byte == 0).unwrap_or(bytes.len().min(max));
    bytes.get(..end).unwrap_or_default()
}

impl From<WrongType> for CmdError {
    fn from(_: WrongType) -> CmdError {
        CmdError::WrongType
    }
}

impl From<InvalidKeys> for CmdError {
    fn from(_: InvalidKeys) -> CmdError {
        CmdError::InvalidKeys
    }
}
