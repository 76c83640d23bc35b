//! Random eviction: any key, with equal chances.

use super::{Choice, database, sample};
use crate::keyspace::{DbIndex, Shard};

pub(super) fn victim(shard: &Shard, choice: &mut Choice<'_>) -> Option<(DbIndex, Box<[u8]>)> {
    let db = database(shard, choice)?;
    Some((db, sample(shard.db(db), choice)?.key().into()))
}
