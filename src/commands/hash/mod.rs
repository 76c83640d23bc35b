//! Hash commands.
//!
//! ```text
//! basic    HSET HMSET HSETNX HGET HMGET HDEL HEXISTS HLEN HSTRLEN
//! whole    HGETALL HKEYS HVALS HSCAN HRANDFIELD
//! count    HINCRBY HINCRBYFLOAT
//! expire   HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HPERSIST
//! ttl      HTTL HPTTL HEXPIRETIME HPEXPIRETIME
//! combined HGETEX HSETEX HGETDEL: fields and deadlines in one step
//! ```

pub mod basic;
pub mod combined;
pub mod count;
pub mod expire;
mod fields;
pub mod ttl;
pub mod whole;

use crate::config::Config;
use crate::ds::listpack::Element;
use crate::resp::Writer;
use crate::value::hash::Limits;

/// How big a hash may get in its packed form.
fn limits(config: &Config) -> Limits {
    Limits {
        entries: usize::try_from(config.hash_max_listpack_entries).unwrap_or(usize::MAX),
        value_bytes: usize::try_from(config.hash_max_listpack_value).unwrap_or(usize::MAX),
    }
}

/// A field or value as a bulk string.
#[inline]
fn write_element(writer: &mut Writer<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => writer.bulk_int(number),
        Element::Text(text) => writer.bulk(text),
    }
}
