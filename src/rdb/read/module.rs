//! Data of modules: who wrote it can be told, and where it ends; what it means can't.
//!
//! ```text
//! id u64: nine letters of six bits, version of ten bits
//! then marked pieces: 1 and 2 integers, 3 float, 4 double, 5 text, until 0
//! ```

use super::error::{Error, What};
use super::source::Source;
use std::io::Read;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NAME_LETTERS: u32 = 9;
const VERSION_BITS: u32 = 10;

/// Kinds of pieces.
const END: u64 = 0;
const SIGNED: u64 = 1;
const UNSIGNED: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const TEXT: u64 = 5;

fn name_of(id: u64) -> String {
    let letter = |at: u32| {
        let bits = id >> (VERSION_BITS + 6 * at) & 63;
        LETTERS.get(bits as usize).map_or('?', |&letter| char::from(letter))
    };
    (0..NAME_LETTERS).rev().map(letter).collect()
}

impl<R: Read> Source<R> {
    /// The name of the module whose value was passed over.
    pub(super) fn module_value(&mut self, skips: bool) -> Result<String, Error> {
        let name = self.module_name(skips)?;
        self.skip_pieces()?;
        Ok(name)
    }

    /// As [`module_value`](Self::module_value), for data that belongs to no key.
    pub(super) fn module_aux(&mut self, skips: bool) -> Result<String, Error> {
        let name = self.module_name(skips)?;
        if self.length()? != UNSIGNED {
            return Err(self.corrupt("data of a module without its time"));
        }
        self.length()?;
        self.skip_pieces()?;
        Ok(name)
    }

    fn module_name(&mut self, skips: bool) -> Result<String, Error> {
        let id = self.length()?;
        let name = name_of(id);
        if skips {
            return Ok(name);
        }
        Err(self.error(What::Module { name, version: (id & ((1 << VERSION_BITS) - 1)) as u32 }))
    }

    fn skip_pieces(&mut self) -> Result<(), Error> {
        let mut text = Vec::new();
        loop {
            match self.length()? {
                END => return Ok(()),
                SIGNED | UNSIGNED => drop(self.length()?),
                FLOAT => self.skip(4)?,
                DOUBLE => self.skip(8)?,
                TEXT => self.text(&mut text)?,
                _ => return Err(self.corrupt("data of a module of an unknown kind")),
            }
        }
    }
}
