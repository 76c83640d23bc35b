//! Values, as each version of the format has them.
//!
//! | value | type, and what follows the key |
//! |---|---|
//! | string | 0, text |
//! | list | 18, nodes, each with its kind and its bytes; before 10: 1, elements |
//! | set | 11 or 20, its bytes; 2, members; before 11 no 20 |
//! | sorted set | 17, its bytes; 5, members with scores, the greatest first; before 10 no 17 |
//! | hash | 16, its bytes; 4, fields and values; before 10 no 16 |
//! | hash with deadlines | 25, the earliest and its bytes; 24, the earliest, then fields with what theirs is above it |
//! | stream | 21, blocks, counters, groups; 19 and 15 have fewer counters |
//!
//! Packed forms are in memory what they are in files, so they are copied.

use super::{Output, push_double, push_length, push_ms};
use crate::config::Config;
use crate::ds::blob::Payload;
use crate::ds::listpack::{Digits, Element, ForwardPack, ListPack};
use crate::ds::quicklist::Node;
use crate::ds::table::Frozen;
use crate::rdb::{VERSION_COMMON, VERSION_FIELD_DEADLINES, kind, node};
use crate::value::hash::raw::{self, Raw};
use crate::value::hash::{self, Hash};
use crate::value::list::List;
use crate::value::set::{Set, Stored};
use crate::value::stream::{Consumer, Group, Stream, StreamId};
use crate::value::zset::ZSet;
use crate::value::{Facts, LongString, Value};

/// What the reader must understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// From 9 on. Fields with deadlines are written whatever it is: see [`needs_field_deadlines`].
    pub version: u32,
}

impl Format {
    /// As the configuration has it. The latest version needs nothing but what is there: such content makes it a later one.
    pub fn of(config: &Config) -> Format {
        let version = config.rdb_save_version;
        Format { version: if version >= VERSION_FIELD_DEADLINES { VERSION_COMMON } else { version } }
    }
}

impl Default for Format {
    fn default() -> Format {
        Format { version: VERSION_COMMON }
    }
}

/// Whether a type is only known from [`VERSION_FIELD_DEADLINES`] on.
pub fn needs_field_deadlines(kind: u8) -> bool {
    matches!(kind, kind::HASH_METADATA | kind::HASH_LISTPACK_EX)
}

/// A value at rest: shares what it consists of with the one it was made of, which may change.
pub enum Handle {
    Text(LongString),
    List(List),
    Set(Set),
    Members(Frozen<Stored>),
    Hash(Hash),
    Fields {
        fields: Frozen<hash::Field>,
        /// Not later than any deadline of a field; `None` without any.
        due: Option<u64>,
    },
    SortedSet(ZSet),
    Stream(Stream),
}

impl Handle {
    /// Takes no longer for a bigger value.
    pub fn of(value: &mut Value) -> Handle {
        match value {
            Value::String(text) => Handle::Text(LongString::clone(text)),
            Value::List(list) => Handle::List(list.clone()),
            Value::Set(Set::Table(table)) => Handle::Members(table.freeze()),
            Value::Set(set) => Handle::Set(set.clone()),
            Value::Hash(hash) => {
                let due = hash.due();
                match hash.table_mut() {
                    Some(table) => Handle::Fields { fields: table.freeze(), due },
                    None => Handle::Hash(hash.clone()),
                }
            }
            Value::SortedSet(zset) => Handle::SortedSet(zset.clone()),
            Value::Stream(stream) => Handle::Stream(stream.clone()),
        }
    }

    pub(crate) fn kind(&self, format: Format) -> u8 {
        match self {
            Handle::Text(_) => kind::STRING,
            Handle::List(_) => list_kind(format),
            Handle::Set(set) => set_kind(set, format),
            Handle::Members(_) => kind::SET,
            Handle::Hash(hash) => hash_kind(hash, format),
            Handle::Fields { due: Some(_), .. } => kind::HASH_METADATA,
            Handle::Fields { due: None, .. } => kind::HASH,
            Handle::SortedSet(zset) => zset_kind(zset, format),
            Handle::Stream(_) => stream_kind(format),
        }
    }

    /// Writes what follows the key.
    ///
    /// # Errors
    /// Those of [`Output::pause`].
    pub fn write<O: Output>(&self, format: Format, out: &mut O) -> Result<(), O::Error> {
        match self {
            Handle::Text(text) => {
                out.text(text);
                Ok(())
            }
            Handle::List(list) => write_list(list, format, out),
            Handle::Set(set) => write_set(set, format, out),
            Handle::Members(members) => write_members(members.len(), members.iter(), out),
            Handle::Hash(hash) => write_hash(hash, format, out),
            Handle::Fields { fields, due } => write_fields(fields.len(), fields.iter(), *due, out),
            Handle::SortedSet(zset) => write_zset(zset, format, out),
            Handle::Stream(stream) => write_stream(stream, format, out),
        }
    }
}

/// The type of a value.
pub(crate) fn kind_of(payload: &Payload<'_, Value>, format: Format) -> u8 {
    match payload {
        Payload::Inline(_) | Payload::Value(Value::String(_)) => kind::STRING,
        Payload::Value(Value::List(_)) => list_kind(format),
        Payload::Value(Value::Set(set)) => set_kind(set, format),
        Payload::Value(Value::Hash(hash)) => hash_kind(hash, format),
        Payload::Value(Value::SortedSet(zset)) => zset_kind(zset, format),
        Payload::Value(Value::Stream(_)) => stream_kind(format),
    }
}

/// Writes what follows the key.
///
/// # Errors
/// Those of [`Output::pause`].
pub fn write<O: Output>(payload: &Payload<'_, Value>, format: Format, out: &mut O) -> Result<(), O::Error> {
    match payload {
        Payload::Inline(text) => out.text(text),
        Payload::Value(Value::String(text)) => out.text(text),
        Payload::Value(Value::List(list)) => return write_list(list, format, out),
        Payload::Value(Value::Set(set)) => return write_set(set, format, out),
        Payload::Value(Value::Hash(hash)) => return write_hash(hash, format, out),
        Payload::Value(Value::SortedSet(zset)) => return write_zset(zset, format, out),
        Payload::Value(Value::Stream(stream)) => return write_stream(stream, format, out),
    }
    Ok(())
}

fn list_kind(format: Format) -> u8 {
    if format.version >= 10 { kind::LIST_QUICKLIST_2 } else { kind::LIST }
}

fn write_list<O: Output>(list: &List, format: Format, out: &mut O) -> Result<(), O::Error> {
    if format.version < 10 {
        push_length(out.bytes(), list.len() as u64);
        let mut digits = Digits::new();
        for element in list.iter_from(0) {
            out.text(element.bytes(&mut digits));
            out.pause()?;
        }
        return Ok(());
    }
    match list {
        List::Packed(pack) => {
            push_length(out.bytes(), 1);
            push_length(out.bytes(), node::PACKED);
            out.text(pack.as_slice());
        }
        List::Quick(quick) => {
            push_length(out.bytes(), quick.node_count() as u64);
            for node in quick.settled().nodes() {
                match node {
                    Node::Packed { pack, .. } => {
                        push_length(out.bytes(), node::PACKED);
                        out.text(pack.as_slice());
                    }
                    Node::Plain(text) => {
                        push_length(out.bytes(), node::PLAIN);
                        out.text(text.as_slice());
                    }
                }
                out.pause()?;
            }
        }
    }
    Ok(())
}

fn set_kind(set: &Set, format: Format) -> u8 {
    match set {
        Set::Ints(_) => kind::SET_INTSET,
        Set::Packed(_) if format.version >= 11 => kind::SET_LISTPACK,
        Set::Packed(_) | Set::Table(_) => kind::SET,
    }
}

fn write_set<O: Output>(set: &Set, format: Format, out: &mut O) -> Result<(), O::Error> {
    match set {
        Set::Ints(ints) => out.text(ints.as_slice()),
        Set::Packed(pack) if format.version >= 11 => out.text(pack.as_slice()),
        Set::Packed(pack) => write_elements(pack.len(), pack.iter(), out),
        Set::Table(table) => return write_members(table.len(), table.iter(), out),
    }
    Ok(())
}

fn write_members<'s, O: Output>(
    len: usize,
    members: impl Iterator<Item = &'s Stored>,
    out: &mut O,
) -> Result<(), O::Error> {
    push_length(out.bytes(), len as u64);
    for member in members {
        out.text(member.key());
        out.pause()?;
    }
    Ok(())
}

/// The elements of a packed value one by one, behind a number.
fn write_elements<'e, O: Output>(number: usize, elements: impl Iterator<Item = Element<'e>>, out: &mut O) {
    push_length(out.bytes(), number as u64);
    let mut digits = Digits::new();
    elements.for_each(|element| out.text(element.bytes(&mut digits)));
}

fn zset_kind(zset: &ZSet, format: Format) -> u8 {
    match zset {
        ZSet::Small(_) if format.version >= 10 => kind::ZSET_LISTPACK,
        _ => kind::ZSET_2,
    }
}

fn write_zset<O: Output>(zset: &ZSet, format: Format, out: &mut O) -> Result<(), O::Error> {
    if let ZSet::Small(pack) = zset
        && format.version >= 10
    {
        out.text(pack.as_slice());
        return Ok(());
    }
    push_length(out.bytes(), zset.len() as u64);
    let mut digits = Digits::new();
    // From the greatest on, so that a reader who inserts finds the place of each at the front.
    for (member, score) in zset.items(0..zset.len(), true) {
        out.text(member.bytes(&mut digits));
        push_double(out.bytes(), score);
        out.pause()?;
    }
    Ok(())
}

fn hash_kind(hash: &Hash, format: Format) -> u8 {
    match hash.raw() {
        Raw::Pairs(_) | Raw::IdleTriples(_) if format.version >= 10 => kind::HASH_LISTPACK,
        Raw::Triples(_) => kind::HASH_LISTPACK_EX,
        Raw::Table(_) if hash.due().is_some() => kind::HASH_METADATA,
        Raw::Pairs(_) | Raw::IdleTriples(_) | Raw::Table(_) => kind::HASH,
    }
}

fn write_hash<O: Output>(hash: &Hash, format: Format, out: &mut O) -> Result<(), O::Error> {
    match hash.raw() {
        Raw::Pairs(pack) if format.version >= 10 => out.text(pack.to_listpack().as_slice()),
        Raw::Pairs(pack) => write_elements(pack.len() / 2, pack.iter(), out),
        Raw::IdleTriples(pack) if format.version >= 10 => {
            let mut pairs = ListPack::new();
            without_deadlines(pack).for_each(|element| pairs.push_back(element));
            out.text(pairs.as_slice());
        }
        Raw::IdleTriples(pack) => write_elements(pack.len() / 3, without_deadlines(pack), out),
        Raw::Triples(pack) => {
            push_ms(out.bytes(), hash.due().and_then(|due| i64::try_from(due).ok()).unwrap_or(0));
            out.text(pack.to_listpack().as_slice());
        }
        Raw::Table(table) => return write_fields(table.len(), table.iter(), hash.due(), out),
    }
    Ok(())
}

/// Names and values of triples.
fn without_deadlines(triples: &ForwardPack) -> impl Iterator<Item = Element<'_>> {
    triples.iter().enumerate().filter(|(index, _)| index % 3 != 2).map(|(_, element)| element)
}

fn write_fields<'h, O: Output>(
    len: usize,
    fields: impl Iterator<Item = &'h hash::Field>,
    due: Option<u64>,
    out: &mut O,
) -> Result<(), O::Error> {
    if let Some(due) = due {
        push_ms(out.bytes(), i64::try_from(due).unwrap_or(i64::MAX));
    }
    push_length(out.bytes(), len as u64);
    let mut digits = Digits::new();
    for (name, value, deadline) in fields.map(raw::parts) {
        if let Some(due) = due {
            // 0 stands for none.
            push_length(out.bytes(), deadline.map_or(0, |when| when.saturating_sub(due) + 1));
        }
        out.text(name);
        out.text(value.bytes(&mut digits));
        out.pause()?;
    }
    Ok(())
}

fn stream_kind(format: Format) -> u8 {
    match format.version {
        11.. => kind::STREAM_3,
        10 => kind::STREAM_2,
        _ => kind::STREAM_1,
    }
}

fn write_stream<O: Output>(stream: &Stream, format: Format, out: &mut O) -> Result<(), O::Error> {
    let log = stream.log();
    push_length(out.bytes(), log.block_count() as u64);
    for block in log.blocks() {
        out.text(&id_bytes(block.first()));
        out.text(block.pack().as_slice());
        out.pause()?;
    }
    push_length(out.bytes(), log.len());
    push_id(out, log.last_id());
    if format.version >= 10 {
        push_id(out, log.first_id());
        push_id(out, log.max_deleted_id());
        push_length(out.bytes(), log.entries_added());
    }
    push_length(out.bytes(), stream.group_count() as u64);
    for (name, group) in stream.groups() {
        out.text(name);
        push_id(out, group.last_id);
        if format.version >= 10 {
            // All bits stand for "unknown".
            push_length(out.bytes(), group.entries_read.unwrap_or(u64::MAX));
        }
        write_group(group, format, out)?;
    }
    Ok(())
}

/// What is pending in all, and then who has it.
fn write_group<O: Output>(group: &Group, format: Format, out: &mut O) -> Result<(), O::Error> {
    push_length(out.bytes(), group.pending().len() as u64);
    for pending in group.pending().iter() {
        out.bytes().extend_from_slice(&id_bytes(pending.id));
        push_ms(out.bytes(), pending.delivered_ms as i64);
        push_length(out.bytes(), pending.deliveries);
        out.pause()?;
    }
    push_length(out.bytes(), group.consumer_count() as u64);
    group.consumers().try_for_each(|consumer| write_consumer(consumer, format, out))
}

fn write_consumer<O: Output>(consumer: &Consumer, format: Format, out: &mut O) -> Result<(), O::Error> {
    out.text(consumer.name());
    push_ms(out.bytes(), consumer.seen_ms as i64);
    if format.version >= 11 {
        push_ms(out.bytes(), consumer.active_ms.map_or(-1, |when| when as i64));
    }
    push_length(out.bytes(), consumer.pending().len() as u64);
    for &id in consumer.pending().iter() {
        out.bytes().extend_from_slice(&id_bytes(id));
        out.pause()?;
    }
    Ok(())
}

fn push_id<O: Output>(out: &mut O, id: StreamId) {
    push_length(out.bytes(), id.ms);
    push_length(out.bytes(), id.seq);
}

/// An id as a key that sorts as it does.
fn id_bytes(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}
