//! A hash as it lies in memory: for files and payloads, which know no clock and hide no field.

use super::{Field, Form, Hash, Packed, value_of};
use crate::ds::listpack::{Element, ForwardPack, ListPack};
use crate::ds::table::{Frozen, Table};

/// The form of a hash with what it consists of. Fields behind their deadline are there until they are removed.
pub enum Raw<'h> {
    /// Field, value, field, value, …
    Pairs(&'h ForwardPack),
    /// Field, value, deadline, …; see the head of [`super`].
    Triples(&'h ForwardPack),
    /// The same, where no field has a deadline any more.
    IdleTriples(&'h ForwardPack),
    Table(&'h Table<Field>),
}

impl Hash {
    pub fn raw(&self) -> Raw<'_> {
        match &self.0 {
            Form::Packed(packed) if packed.due().is_some() => Raw::Triples(packed.pack()),
            Form::Packed(packed) if packed.has_deadlines() => Raw::IdleTriples(packed.pack()),
            Form::Packed(packed) => Raw::Pairs(packed.pack()),
            Form::Table(table) => Raw::Table(table),
        }
    }

    /// A hash of pairs that are complete and without duplicates.
    pub fn from_pairs(pairs: &ListPack) -> Hash {
        Hash(Form::Packed(Packed::new(pairs.into(), false)))
    }

    /// A hash of triples that are complete, without duplicates, and ascending by deadline, those without last.
    pub fn from_triples(triples: &ListPack) -> Hash {
        Hash(Form::Packed(Packed::new(triples.into(), true)))
    }

    /// The table, if it is one.
    pub fn table_mut(&mut self) -> Option<&mut Table<Field>> {
        match &mut self.0 {
            Form::Packed(_) => None,
            Form::Table(table) => Some(table),
        }
    }
}

/// Name, value and deadline of a field in a table.
#[inline]
pub fn parts(field: &Field) -> (&[u8], Element<'_>, Option<u64>) {
    (field.key(), value_of(field), field.deadline())
}

/// A table at rest.
pub type FrozenFields = Frozen<Field>;
