//! Random eviction: any key, with equal chances.

use super::{Choice, Victim, database, sample};
use crate::keyspace::Shard;

pub(super) fn victim(shard: &Shard, choice: &mut Choice<'_>) -> Option<Victim> {
    let db = database(shard, choice)?;
    let key = sample(shard.db(db), choice)?.key().into();
    Some(Victim { rank: choice.rng.next_u64(), db, key })
}
