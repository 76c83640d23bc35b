//! The reply slot: a handler answers exactly once.
//!
//! A [`ReplySlot`] is taken by value, every method consumes it and returns [`Replied`], and a handler must return a
//! `Replied`: so neither no reply nor two replies compile. On an error the dispatcher takes back what was
//! written and sends the error instead.

use bytes::Bytes;

use crate::keyspace::entry::StringRef;
use crate::resp::{Output, Proto, SHARED_MIN_BYTES, Writer};

/// Proof that a reply was written.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Replied(());

/// The place for one reply.
pub struct ReplySlot<'o> {
    writer: Writer<'o>,
}

impl<'o> ReplySlot<'o> {
    #[inline]
    pub fn new(out: &'o mut Output, proto: Proto) -> Self {
        ReplySlot { writer: out.writer(proto) }
    }

    pub fn proto(&self) -> Proto {
        self.writer.proto()
    }

    /// The same place in another protocol version: HELLO answers in the one that it chose.
    pub fn in_proto(mut self, proto: Proto) -> Self {
        self.writer.set_proto(proto);
        self
    }

    /// A reply of several values: `write` must write exactly one complete reply.
    #[inline]
    pub fn write(mut self, write: impl FnOnce(&mut Writer<'_>)) -> Replied {
        write(&mut self.writer);
        Replied(())
    }

    /// As [`ReplySlot::write`], for writers that may still find an error; what was written is then taken back.
    pub fn try_write<E>(
        mut self,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<Replied, E> {
        write(&mut self.writer).map(|()| Replied(()))
    }

    /// Lets others write replies of their own: how a transaction answers for its requests.
    pub(super) fn with_output(mut self, write: impl FnOnce(&mut Output, Proto)) -> Replied {
        let proto = self.writer.proto();
        write(self.writer.output(), proto);
        Replied(())
    }

    #[inline]
    pub fn ok(self) -> Replied {
        self.write(|w| w.ok())
    }

    #[inline]
    pub fn status(self, text: &'static str) -> Replied {
        self.write(|w| w.status(text))
    }

    #[inline]
    pub fn int(self, value: i64) -> Replied {
        self.write(|w| w.int(value))
    }

    pub fn count(self, value: usize) -> Replied {
        self.write(|w| w.count(value))
    }

    /// `:1` or `:0`, in both protocols.
    pub fn flag(self, value: bool) -> Replied {
        self.int(i64::from(value))
    }

    #[inline]
    pub fn bulk(self, value: &[u8]) -> Replied {
        self.write(|w| w.bulk(value))
    }

    pub fn bulk_shared(self, value: Bytes) -> Replied {
        self.write(|w| w.bulk_shared(value))
    }

    /// A string value: copied when small, by reference when long.
    #[inline]
    pub fn string(self, value: StringRef<'_>) -> Replied {
        self.write(|w| write_string(w, value))
    }

    #[inline]
    pub fn null(self) -> Replied {
        self.write(|w| w.null())
    }

    pub fn null_array(self) -> Replied {
        self.write(|w| w.null_array())
    }

    /// An array of bulk strings.
    pub fn bulks<T: AsRef<[u8]>>(self, values: &[T]) -> Replied {
        self.write(|w| {
            w.array(values.len());
            values.iter().for_each(|value| w.bulk(value.as_ref()));
        })
    }

    /// An array of bulk strings and nulls.
    pub fn bulks_or_nulls<T: AsRef<[u8]>>(self, values: &[Option<T>]) -> Replied {
        self.write(|w| {
            w.array(values.len());
            values.iter().for_each(|value| w.bulk_or_null(value.as_ref().map(AsRef::as_ref)));
        })
    }

    /// An array of status lines: how HELP answers.
    pub fn help(self, command: &str, lines: &[&'static str]) -> Replied {
        self.write(|w| {
            w.array(lines.len() + 3);
            let title = format!(
                "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                command.to_ascii_uppercase()
            );
            w.status_bytes(title.as_bytes());
            lines.iter().for_each(|line| w.status(line));
            w.status("HELP");
            w.status("    Print this help.");
        })
    }

    /// No reply at all: the connection is closed, or the answer comes later from elsewhere.
    pub fn nothing(self) -> Replied {
        Replied(())
    }
}

/// Writes a string value: copied when small, by reference when long.
#[inline(always)] // Nearly all of it is what it calls.
pub fn write_string(writer: &mut Writer<'_>, value: StringRef<'_>) {
    if let StringRef::Long(long) = value
        && long.as_slice().len() >= SHARED_MIN_BYTES
        && let Some(bytes) = value.shared()
    {
        return writer.bulk_shared(bytes);
    }
    writer.bulk(value.bytes());
}
