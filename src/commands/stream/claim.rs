//! XCLAIM and XAUTOCLAIM: pending entries change hands.
//!
//! An entry that was deleted from the stream is no longer pending once somebody tries to claim it.

use super::journal::Deeds;
use super::pending::idle_ms;
use super::{group_of, interval_start, stream_id, write_entry, write_id};
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::keyspace::{Effect, EventClass, Key};
use crate::resp::Writer;
use crate::spec::{Arg, CommandFlags, Group as Chapter, KeyFlags, KeySpec};
use crate::value::stream::{ConsumerId, Group, Log, Pending, Stream, StreamId};

pub const COMMANDS: &[Command] = &[
    Command::write("xclaim", -6, xclaim)
        .doc(
            Chapter::Stream,
            "5.0.0",
            "Makes a consumer the owner of pending entries.",
            "O(log(N)) for each id, N being the number of entries pending in the group.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))])
        .tips(&["nondeterministic_output"])
        .must_rewrite()
        .args(&[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::string("consumer"),
            Arg::string("min-idle-time"),
            Arg::string("id").multiple(),
            Arg::integer("ms").with_token("IDLE").optional(),
            Arg::unix_time("unix-time-milliseconds").with_token("TIME").optional(),
            Arg::integer("count").with_token("RETRYCOUNT").optional(),
            Arg::token("force", "FORCE").optional(),
            Arg::token("justid", "JUSTID").optional(),
            Arg::string("lastid").with_token("LASTID").optional(),
        ]),
    Command::write("xautoclaim", -6, xautoclaim)
        .doc(
            Chapter::Stream,
            "6.2.0",
            "Makes a consumer the owner of the next entries that are pending for long.",
            "O(1) if COUNT is small.",
        )
        .flags(CommandFlags::FAST)
        .keys(&[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))])
        .tips(&["nondeterministic_output"])
        .must_rewrite()
        .args(&[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::string("consumer"),
            Arg::string("min-idle-time"),
            Arg::string("start"),
            Arg::integer("count").with_token("COUNT").optional(),
            Arg::token("justid", "JUSTID").optional(),
        ]),
];

/// What XCLAIM asks for.
struct Options {
    ids: Vec<StreamId>,
    min_idle_ms: i64,
    delivered_ms: u64,
    deliveries: Option<u64>,
    forces: bool,
    just_ids: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(req: &Request<'_>, now_ms: u64) -> Result<Options, CmdError> {
        const MIN_IDLE: CmdError = CmdError::text("ERR Invalid min-idle-time argument for XCLAIM");
        const IDLE: CmdError = CmdError::text("ERR Invalid IDLE option argument for XCLAIM");
        const TIME: CmdError = CmdError::text("ERR Invalid TIME option argument for XCLAIM");
        const RETRY_COUNT: CmdError = CmdError::text("ERR Invalid RETRYCOUNT option argument for XCLAIM");
        let mut options = Options {
            min_idle_ms: int(req.arg(4)).map_err(|_| MIN_IDLE)?.max(0),
            // Options begin where an id can't be read.
            ids: req.args.iter().skip(5).map_while(|arg| stream_id(arg).ok()).collect(),
            delivered_ms: now_ms,
            deliveries: None,
            forces: false,
            just_ids: false,
            last_id: StreamId::MIN,
        };
        let now = now_ms as i64;
        let mut cursor = req.args.cursor(5 + options.ids.len());
        while let Some(word) = cursor.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let value = cursor.peek();
            match value {
                _ if is("force") => options.forces = true,
                _ if is("justid") => options.just_ids = true,
                Some(value) if is("idle") => {
                    let idle = int(value).map_err(|_| IDLE)?;
                    options.delivered_ms = sane_time(now.wrapping_sub(idle), now);
                }
                Some(value) if is("time") => {
                    options.delivered_ms = sane_time(int(value).map_err(|_| TIME)?, now);
                }
                Some(value) if is("retrycount") => {
                    // A negative count is none.
                    options.deliveries = u64::try_from(int(value).map_err(|_| RETRY_COUNT)?).ok();
                }
                Some(value) if is("lastid") => options.last_id = stream_id(value)?,
                _ => return Err(CmdError::quoting("ERR Unrecognized XCLAIM option '", word, "'")),
            }
            if !is("force") && !is("justid") {
                cursor.next();
            }
        }
        Ok(options)
    }
}

/// A delivery in the past; anything else is now, since clients may reckon by clocks of their own.
fn sane_time(time_ms: i64, now_ms: i64) -> u64 {
    let time_ms = if (0..=now_ms).contains(&time_ms) { time_ms } else { now_ms };
    u64::try_from(time_ms).unwrap_or(0)
}

/// Entries on their way to another consumer.
struct Claiming<'s> {
    log: &'s Log,
    group: &'s mut Group,
    consumer: ConsumerId,
    now_ms: u64,
    just_ids: bool,
    deeds: &'s mut Deeds,
    /// Changes so far.
    changes: u32,
}

impl Claiming<'_> {
    /// Gives an entry that exists to the consumer.
    fn give(&mut self, pending: Pending) {
        let pending = Pending { consumer: self.consumer, ..pending };
        self.group.set_pending(pending);
        self.group.note_active(self.consumer, self.now_ms);
        self.deeds.claimed(self.group, pending);
        self.changes += 1;
    }

    fn write(&self, id: StreamId, writer: &mut Writer<'_>) {
        match self.log.get(id) {
            Some(entry) if !self.just_ids => write_entry(writer, &entry),
            _ => write_id(writer, id),
        }
    }

    /// Forgets a pending entry that does not exist any more.
    fn forget(&mut self, pending: Pending) {
        self.deeds.claimed(self.group, pending);
        self.group.remove_pending(pending.id);
        self.changes += 1;
    }

    /// Claims one entry as XCLAIM does; whether it was written.
    fn claim(&mut self, id: StreamId, options: &Options, writer: &mut Writer<'_>) -> bool {
        let pending = self.group.find_pending(id).copied();
        if self.log.get(id).is_none() {
            if let Some(pending) = pending {
                self.forget(pending);
            }
            return false;
        }
        let new = Pending { id, delivered_ms: self.now_ms, deliveries: 1, consumer: self.consumer };
        let pending = match pending {
            Some(pending)
                if options.min_idle_ms > 0 && idle_ms(&pending, self.now_ms) < options.min_idle_ms =>
            {
                return false;
            }
            Some(pending) => pending,
            None if options.forces => new,
            None => return false,
        };
        let repeated = pending.deliveries.saturating_add(u64::from(!options.just_ids));
        let deliveries = options.deliveries.unwrap_or(repeated);
        self.give(Pending { delivered_ms: options.delivered_ms, deliveries, ..pending });
        self.write(id, writer);
        true
    }
}

/// Opens group and consumer for a claim, which writes its reply.
fn with_claim(
    cx: &mut WriteCx<'_, '_>,
    (key, name, consumer): (Key<'_>, &[u8], &[u8]),
    just_ids: bool,
    claim: impl FnOnce(&mut Claiming<'_>),
) -> Result<(), CmdError> {
    let now_ms = cx.wall_now().0;
    let mut deeds = Deeds::new(cx);
    cx.edit(key, |entry| {
        let Some(stream) = entry.value_mut::<Stream>()? else { return Ok(((), Effect::NONE)) };
        let Some((log, group)) = stream.group_mut(name) else { return Ok(((), Effect::NONE)) };
        let Some((id, is_new)) = group.open_consumer(consumer, now_ms) else {
            return Ok(((), Effect::NONE));
        };
        let mut effect = Effect::NONE;
        if is_new {
            deeds.created(consumer);
            effect = Effect::event(EventClass::Stream, "xgroup-createconsumer");
        }
        let mut claiming =
            Claiming { log, group, consumer: id, now_ms, just_ids, deeds: &mut deeds, changes: 0 };
        claim(&mut claiming);
        let changes = claiming.changes + u32::from(is_new);
        Ok(((), effect.changes(changes).unwatched()))
    })?;
    deeds.tell(cx, key.bytes(), name);
    Ok(())
}

fn xclaim(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (key, name) = (req.key(0)?, req.arg(2));
    group_of(cx.value::<Stream>(key)?, key.bytes(), name)?;
    let options = Options::parse(req, cx.wall_now().0)?;
    reply.try_write(|writer| {
        with_claim(cx, (key, name, req.arg(3)), options.just_ids, |claiming| {
            let is_ahead = options.last_id > claiming.group.last_id;
            if is_ahead {
                claiming.group.last_id = options.last_id;
            }
            writer.array_counted(|writer| {
                options.ids.iter().filter(|&&id| claiming.claim(id, &options, writer)).count()
            });
            if is_ahead && claiming.changes == 0 {
                // No XCLAIM tells of it.
                claiming.deeds.advanced(claiming.group);
                claiming.changes = 1;
            }
        })
    })
}

/// What XAUTOCLAIM asks for.
struct Sweep {
    min_idle_ms: i64,
    start: StreamId,
    most: usize,
    just_ids: bool,
}

impl Sweep {
    fn parse(req: &Request<'_>) -> Result<Sweep, CmdError> {
        const MIN_IDLE: CmdError = CmdError::text("ERR Invalid min-idle-time argument for XAUTOCLAIM");
        const COUNT: CmdError = CmdError::text("ERR COUNT must be > 0");
        /// Beyond this Redis can't count.
        const COUNT_MAX: i64 = i64::MAX / 16;
        let mut sweep = Sweep {
            min_idle_ms: int(req.arg(4)).map_err(|_| MIN_IDLE)?.max(0),
            start: interval_start(req.arg(5))?,
            most: 100,
            just_ids: false,
        };
        let mut cursor = req.args.cursor(6);
        while cursor.peek().is_some() {
            if cursor.take_word("justid") {
                sweep.just_ids = true;
            } else if cursor.remaining() > 1 && cursor.take_word("count") {
                let count = int(cursor.next().unwrap_or_default()).map_err(|_| COUNT)?;
                let count = Some(count).filter(|count| (1..=COUNT_MAX).contains(count)).ok_or(COUNT)?;
                sweep.most = usize::try_from(count).map_err(|_| COUNT)?;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(sweep)
    }

    /// Goes over the pending entries, at most ten for each that is wanted.
    fn run(&self, claiming: &mut Claiming<'_>) -> Swept {
        const LOOKED_AT_FOR_EACH: usize = 10;
        let mut attempts = self.most.saturating_mul(LOOKED_AT_FOR_EACH);
        let mut swept = Swept::default();
        let mut next = Some(self.start);
        let from = |claiming: &Claiming<'_>, id: Option<StreamId>| claiming.group.pending_from(id?).copied();
        while attempts > 0 && swept.given.len() + swept.gone.len() < self.most {
            let Some(pending) = from(claiming, next) else { break };
            attempts -= 1;
            next = pending.id.next();
            if claiming.log.get(pending.id).is_none() {
                claiming.forget(pending);
                swept.gone.push(pending.id);
            } else if self.min_idle_ms == 0 || idle_ms(&pending, claiming.now_ms) >= self.min_idle_ms {
                let deliveries = pending.deliveries.saturating_add(u64::from(!self.just_ids));
                claiming.give(Pending { delivered_ms: claiming.now_ms, deliveries, ..pending });
                swept.given.push(pending.id);
            }
        }
        swept.next = from(claiming, next).map_or(StreamId::MIN, |pending| pending.id);
        swept
    }
}

/// What XAUTOCLAIM did.
#[derive(Default)]
struct Swept {
    /// Where to go on; zero at the end.
    next: StreamId,
    given: Vec<StreamId>,
    /// Pending entries that did not exist any more.
    gone: Vec<StreamId>,
}

fn xautoclaim(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    /// Redis asks for room for that many ids first; no machine has more.
    const COUNT_MAX: usize = 1 << 43;
    const TOO_HIGH: CmdError =
        CmdError::text("ERR Insufficient memory, failed allocating transient memory, COUNT too high.");
    let sweep = Sweep::parse(req)?;
    let (key, name) = (req.key(0)?, req.arg(2));
    group_of(cx.value::<Stream>(key)?, key.bytes(), name)?;
    if sweep.most > COUNT_MAX {
        return Err(TOO_HIGH);
    }
    reply.try_write(|writer| {
        with_claim(cx, (key, name, req.arg(3)), sweep.just_ids, |claiming| {
            let swept = sweep.run(claiming);
            writer.array(3);
            write_id(writer, swept.next);
            writer.array(swept.given.len());
            swept.given.iter().for_each(|&id| claiming.write(id, writer));
            writer.array(swept.gone.len());
            swept.gone.iter().for_each(|&id| write_id(writer, id));
        })
    })
}
