//! Decoding: a file item by item, or one value.
//!
//! ```text
//! Reader::open(file)  ─▶  next_item()  Aux … SelectDb … Key … Key … End
//! ```
//!
//! Keys and short texts are lent: they are good until the next call. What a reader has given was checked; what it could
//! not read it refuses with the place and the reason ([`Error`]), and gives nothing more. Keys with a value of no elements, which
//! very old servers could save, are told as such, because Redis passes over them.
//!
//! Payloads of modules can't be understood; they are refused, or passed over if [`Options::skips_modules`] says so.

mod collections;
mod error;
mod limits;
mod module;
mod packed;
mod source;
mod stream;

pub use error::{Error, What};
pub use limits::Limits;

use super::write::file::Access;
use super::{VERSION_MAX, VERSION_VALKEY, VERSION_VALKEY_MAX, kind, mark};
use crate::value::Value;
use collections::{Deadlines, listpack};
use packed::{from_ziplist, from_zipmap};
use source::Source;
use std::io::Read;

/// Bytes of the magic and the version.
pub const MAGIC_BYTES: usize = 9;
/// Slots of a cluster.
const SLOTS: u64 = 16_384;
/// The first version with a checksum.
const VERSION_CHECKSUM: u32 = 5;

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub limits: Limits,
    /// Compare the checksum, if the file has one.
    pub verifies_checksum: bool,
    /// Pass over data of modules instead of refusing it.
    pub skips_modules: bool,
    /// Bytes in all, if that is known: counts that can't be true are refused sooner.
    pub total_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            limits: Limits::default(),
            verifies_checksum: true,
            skips_modules: false,
            total_bytes: None,
        }
    }
}

/// What a file consists of.
pub enum Item<'r> {
    /// Something about the writer: name and text.
    Aux(&'r [u8], &'r [u8]),
    /// The keys that follow are in this database.
    SelectDb(u64),
    /// About how many keys the database has, and how many of them a deadline.
    ResizeDb(u64, u64),
    /// About how many keys a slot has, and how many of them a deadline.
    SlotInfo {
        slot: u16,
        keys: u64,
        volatile: u64,
    },
    /// The code of a library of functions.
    Function(&'r [u8]),
    /// Data of a module that was passed over: of a key, or of none.
    Module {
        name: String,
        key: Option<&'r [u8]>,
    },
    Key(Key<'r>),
    /// A key with a value of no elements, to be passed over.
    EmptyKey(&'r [u8]),
    End,
}

/// A key with all that belongs to it.
pub struct Key<'r> {
    pub name: &'r [u8],
    /// Unix milliseconds.
    pub deadline: Option<u64>,
    pub access: Option<Access>,
    pub value: Loaded<'r>,
}

/// A value.
pub enum Loaded<'r> {
    Text(&'r [u8]),
    Collection(Value),
}

/// A value without what is lent.
enum Found {
    Text,
    Collection(Value),
    Module(String),
}

/// Reads a file; see the module's head.
pub struct Reader<R> {
    source: Source<R>,
    options: Options,
    version: u32,
    /// The type of the key that is being read.
    kind: Option<u8>,
    name: Vec<u8>,
    text: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the magic.
    ///
    /// # Errors
    /// [`What::Magic`] and [`What::Version`] besides those of reading.
    pub fn open(read: R, options: Options) -> Result<Reader<R>, Error> {
        let mut source = Source::new(read, options.total_bytes);
        let magic: [u8; MAGIC_BYTES] = source.array()?;
        let digits = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => digits,
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => &digits[..],
            _ => return Err(source.error(What::Magic)),
        };
        let digit = |sum: Option<u32>, &digit: &u8| Some(sum? * 10 + char::from(digit).to_digit(10)?);
        let version = digits.iter().fold(Some(0), digit).ok_or_else(|| source.error(What::Magic))?;
        let is_valkey = magic.starts_with(b"VALKEY");
        if !(if is_valkey {
            version >= VERSION_VALKEY
        } else {
            is_known(version) && version < VERSION_VALKEY
        }) {
            return Err(source.error(What::Version(version)));
        }
        if !options.verifies_checksum || version < VERSION_CHECKSUM {
            source.sum_nothing();
        }
        Ok(Reader { source, options, version, kind: None, name: Vec::new(), text: Vec::new() })
    }

    /// The version of the format. Those of Valkey are 80 and above.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// Name and type of the key that could not be read, after an error.
    pub fn at_hand(&self) -> Option<(&[u8], u8)> {
        self.kind.map(|kind| (&self.name[..], kind))
    }

    /// The next item.
    ///
    /// # Errors
    /// What is wrong and where; there is no going on then.
    pub fn next_item(&mut self) -> Result<Item<'_>, Error> {
        let (mut deadline, mut access) = (None, None);
        self.kind = None;
        loop {
            match self.source.byte()? {
                mark::DEADLINE_MS => deadline = Some(self.source.ms()?),
                mark::DEADLINE_SECONDS => {
                    let seconds = i32::from_le_bytes(self.source.array()?);
                    deadline = Some(i64::from(seconds) * 1000);
                }
                mark::IDLE => access = Some(Access::Idle(self.source.length()?)),
                mark::FREQUENCY => access = Some(Access::Frequency(self.source.byte()?)),
                mark::AUX => {
                    self.source.text(&mut self.name)?;
                    self.source.text(&mut self.text)?;
                    return Ok(Item::Aux(&self.name, &self.text));
                }
                mark::SELECT => return Ok(Item::SelectDb(self.source.length()?)),
                mark::RESIZE => return Ok(Item::ResizeDb(self.source.length()?, self.source.length()?)),
                mark::SLOT_INFO => return self.slot_info(),
                mark::SLOT_IMPORT if self.version >= VERSION_VALKEY => self.skip_slot_import()?,
                mark::FUNCTION => {
                    self.source.text(&mut self.text)?;
                    return Ok(Item::Function(&self.text));
                }
                mark::FUNCTION_PRE_GA => return Err(self.source.error(What::FunctionPreGa)),
                mark::MODULE_AUX => {
                    let name = self.source.module_aux(self.options.skips_modules)?;
                    return Ok(Item::Module { name, key: None });
                }
                mark::END => return self.end(),
                other if other >= mark::SLOT_IMPORT => return Err(self.source.error(What::Mark(other))),
                kind => return self.key(kind, deadline, access),
            }
        }
    }

    fn slot_info(&mut self) -> Result<Item<'_>, Error> {
        let slot = self.source.length()?;
        let (keys, volatile) = (self.source.length()?, self.source.length()?);
        match u16::try_from(slot) {
            Ok(slot) if u64::from(slot) < SLOTS => Ok(Item::SlotInfo { slot, keys, volatile }),
            _ => Err(self.source.corrupt("a slot that no cluster has")),
        }
    }

    /// A name and ranges of slots that were being imported: nothing that a key needs.
    fn skip_slot_import(&mut self) -> Result<(), Error> {
        self.source.text(&mut self.text)?;
        for _ in 0..self.source.count(2)? {
            let (first, last) = (self.source.length()?, self.source.length()?);
            if first > last || last >= SLOTS {
                return Err(self.source.corrupt("a slot that no cluster has"));
            }
        }
        Ok(())
    }

    fn key(&mut self, kind: u8, deadline: Option<i64>, access: Option<Access>) -> Result<Item<'_>, Error> {
        self.source.text(&mut self.name)?;
        self.kind = Some(kind);
        // Before the beginning of time is long ago, like its beginning.
        let deadline = deadline.map(|deadline| u64::try_from(deadline).unwrap_or(0));
        let read = self.source.value(kind, self.version, &self.options, &mut self.text);
        let value = match read {
            Ok(Found::Text) => Loaded::Text(&self.text),
            Ok(Found::Collection(value)) => Loaded::Collection(value),
            Ok(Found::Module(name)) => return Ok(Item::Module { name, key: Some(&self.name) }),
            Err(Error { what: What::Empty, .. }) => return Ok(Item::EmptyKey(&self.name)),
            Err(error) => return Err(error),
        };
        Ok(Item::Key(Key { name: &self.name, deadline, access, value }))
    }

    fn end(&mut self) -> Result<Item<'_>, Error> {
        if self.version >= VERSION_CHECKSUM {
            let found = self.source.checksum();
            let told = u64::from_le_bytes(self.source.array()?);
            // Zero: the writer was told not to sum up.
            if self.options.verifies_checksum && told != 0 && told != found {
                return Err(self.source.error(What::Checksum { told, found }));
            }
        }
        Ok(Item::End)
    }
}

/// Whether payloads and files of that version can be read.
pub fn is_known(version: u32) -> bool {
    (1..=VERSION_MAX).contains(&version) || (VERSION_VALKEY..=VERSION_VALKEY_MAX).contains(&version)
}

/// The value in `bytes`, which begin with its type and hold nothing behind it.
///
/// # Errors
/// What is wrong and where; [`What::Empty`] for a value without elements.
pub fn value(bytes: &[u8], version: u32, limits: Limits) -> Result<Owned, Error> {
    let options = Options { limits, total_bytes: Some(bytes.len() as u64), ..Options::default() };
    let mut source = Source::new(bytes, options.total_bytes);
    source.sum_nothing();
    let kind = source.byte()?;
    let mut text = Vec::new();
    let owned = match source.value(kind, version, &options, &mut text)? {
        Found::Text => Owned::Text(text),
        Found::Collection(value) => Owned::Collection(value),
        Found::Module(_) => return Err(source.error(What::Kind(kind))),
    };
    if source.left() == Some(0) { Ok(owned) } else { Err(source.corrupt("something behind the value")) }
}

/// The texts of libraries of functions in `bytes`, which hold nothing else.
///
/// # Errors
/// What is wrong and where; [`What::Mark`] for anything else.
pub fn functions(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut source = Source::new(bytes, Some(bytes.len() as u64));
    source.sum_nothing();
    let mut codes = Vec::new();
    while source.left() != Some(0) {
        match source.byte()? {
            mark::FUNCTION => codes.push(source.new_text()?),
            other => return Err(source.error(What::Mark(other))),
        }
    }
    Ok(codes)
}

/// A value that nobody else holds.
pub enum Owned {
    Text(Vec<u8>),
    Collection(Value),
}

impl<R: Read> Source<R> {
    fn value(
        &mut self,
        kind: u8,
        version: u32,
        options: &Options,
        text: &mut Vec<u8>,
    ) -> Result<Found, Error> {
        let limits = &options.limits;
        let value = match kind {
            kind::STRING => {
                self.text(text)?;
                return Ok(Found::Text);
            }
            kind::LIST => self.plain_list(limits, text)?,
            kind::LIST_ZIPLIST => self.packed_list(from_ziplist, limits, text)?,
            kind::LIST_QUICKLIST => self.quicklist(false, limits, text)?,
            kind::LIST_QUICKLIST_2 => self.quicklist(true, limits, text)?,
            kind::SET => self.plain_set(limits, text)?,
            kind::SET_INTSET => self.intset(limits, text)?,
            kind::SET_LISTPACK => self.packed_set(limits, text)?,
            kind::ZSET => self.plain_zset(true, limits, text)?,
            kind::ZSET_2 => self.plain_zset(false, limits, text)?,
            kind::ZSET_ZIPLIST => self.packed_zset(from_ziplist, limits, text)?,
            kind::ZSET_LISTPACK => self.packed_zset(listpack, limits, text)?,
            kind::HASH => self.plain_hash(limits, text)?,
            kind::HASH_ZIPMAP => self.packed_hash(from_zipmap, true, limits, text)?,
            kind::HASH_ZIPLIST => self.packed_hash(from_ziplist, false, limits, text)?,
            kind::HASH_LISTPACK => self.packed_hash(listpack, false, limits, text)?,
            kind::HASH_METADATA_PRE_GA if version >= VERSION_VALKEY => {
                self.hash_with_deadlines(Deadlines::Trailing, limits, text)?
            }
            kind::HASH_METADATA_PRE_GA => self.hash_with_deadlines(Deadlines::Absolute, limits, text)?,
            kind::HASH_METADATA => self.hash_with_deadlines(Deadlines::Relative, limits, text)?,
            kind::HASH_LISTPACK_EX_PRE_GA => self.packed_hash_with_deadlines(false, limits, text)?,
            kind::HASH_LISTPACK_EX => self.packed_hash_with_deadlines(true, limits, text)?,
            kind::STREAM_1 => Value::Stream(self.stream(1, text)?),
            kind::STREAM_2 => Value::Stream(self.stream(2, text)?),
            kind::STREAM_3 => Value::Stream(self.stream(3, text)?),
            kind::MODULE_2 => return self.module_value(options.skips_modules).map(Found::Module),
            kind::MODULE_PRE_GA => {
                return Err(self.corrupt("a value of a module of a release candidate of Redis 4.0"));
            }
            _ => return Err(self.error(What::Kind(kind))),
        };
        Ok(Found::Collection(value))
    }
}
