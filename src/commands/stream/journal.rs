//! How the work of consumer groups is journalled: as what came of it.
//!
//! ```text
//! XREADGROUP GROUP g alice STREAMS s >     XCLAIM s g alice 0 1-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0
//!                                          XGROUP SETID s g 1-0 ENTRIESREAD 1
//! ```
//!
//! An XCLAIM of an entry that is gone makes it pending no more, there as here.

use crate::dispatch::WriteCx;
use crate::value::stream::{Group, Pending, StreamId, loggable};

/// What a command did to one group, collected while the stream is open.
#[derive(Default)]
pub(super) struct Deeds {
    /// The consumer that was created.
    created: Option<Box<[u8]>>,
    claims: Vec<Claim>,
    /// How far the group has read, if that is to be told.
    progress: Option<(StreamId, Option<u64>)>,
    /// Nobody listens.
    is_idle: bool,
}

struct Claim {
    pending: Pending,
    consumer: Box<[u8]>,
    last_id: StreamId,
}

impl Deeds {
    /// Collects if somebody reads the journal.
    pub fn new(cx: &WriteCx<'_, '_>) -> Deeds {
        Deeds { is_idle: !cx.is_observed(), ..Deeds::default() }
    }

    pub fn created(&mut self, consumer: &[u8]) {
        if !self.is_idle {
            self.created = Some(consumer.into());
        }
    }

    /// The entry is pending in the group as told, or was until now, being gone.
    pub fn claimed(&mut self, group: &Group, pending: Pending) {
        if !self.is_idle
            && let Some(consumer) = group.consumer(pending.consumer)
        {
            let consumer = consumer.name().into();
            self.claims.push(Claim { pending, consumer, last_id: group.last_id });
        }
    }

    /// The group has read on.
    pub fn advanced(&mut self, group: &Group) {
        self.progress = Some((group.last_id, group.entries_read));
    }

    /// Journals everything; whether there was anything.
    pub fn tell(self, cx: &mut WriteCx<'_, '_>, key: &[u8], group: &[u8]) {
        if let Some(consumer) = &self.created {
            cx.rewrite(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
        }
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        for Claim { pending, consumer, last_id } in &self.claims {
            cx.rewrite(&[
                b"XCLAIM",
                key,
                group,
                consumer,
                b"0",
                &pending.id.text(),
                b"TIME",
                time.format(pending.delivered_ms).as_bytes(),
                b"RETRYCOUNT",
                count.format(loggable(pending.deliveries)).as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                &last_id.text(),
            ]);
        }
        if let Some((last_id, read)) = self.progress {
            let read = read.map_or(-1, loggable);
            cx.rewrite(&[
                b"XGROUP",
                b"SETID",
                key,
                group,
                &last_id.text(),
                b"ENTRIESREAD",
                count.format(read).as_bytes(),
            ]);
        }
    }
}
