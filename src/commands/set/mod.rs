//! Sets: members without order, none twice. What a set is made of is told in [`crate::value::set`].
//!
//! | module | commands |
//! |---|---|
//! | [`members`] | SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS |
//! | [`random`] | SPOP, SRANDMEMBER |
//! | [`combine`] | SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD |
//! | [`scan`] | SSCAN |

pub mod combine;
pub mod members;
pub mod random;
pub mod scan;

use crate::config::Config;
use crate::ds::listpack::Digits;
use crate::resp::Writer;
use crate::value::set::{Limits, Member, Set};

fn limits(config: &Config) -> Limits {
    Limits {
        max_intset_entries: config.set_max_intset_entries,
        max_listpack_entries: config.set_max_listpack_entries,
        max_listpack_value: config.set_max_listpack_value,
    }
}

/// Writes one member.
fn write_member(writer: &mut Writer<'_>, member: Member<'_>) {
    writer.bulk(member.bytes(&mut Digits::new()));
}

/// Writes all members as a set.
fn write_members(writer: &mut Writer<'_>, set: &Set) {
    writer.set(set.len());
    set.iter().for_each(|member| write_member(writer, member));
}
