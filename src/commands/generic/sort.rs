//! SORT and SORT_RO: the elements of a list, set or sorted set in an order of the client's choice.
//!
//! ```text
//! SORT ids BY user:*->age GET # GET user:*->name LIMIT 0 10 DESC
//!
//! elements ─▶ weight of each: the element, or the value under the pattern with the element for its star
//!          ─▶ sort (only as far as LIMIT wants) ─▶ per element: itself, or one value for each GET
//! ```
//!
//! `key->field` in a pattern means a field of a hash; `GET #` is the element itself. A BY pattern without a star means
//! not to sort at all. Weights are numbers unless ALPHA is given.
//!
//! With a star the request reaches keys that only the data names, so it locks every shard.

use std::cmp::Ordering;
use std::ops::Range;

use crate::base::float::parse_f64_bound;
use crate::commands::list::limits;
use crate::dispatch::options::{int_value, value};
use crate::dispatch::{CmdError, Command, Outcome, ReadCx, ReplySlot, Request, WriteCx};
use crate::ds::listpack::Digits;
use crate::keyspace::entry::{collection_of, string_of};
use crate::keyspace::{Effect, Entry, EventClass, Ttl};
use crate::resp::{Args, OwnedArgs};
use crate::spec::keys::InvalidKeys;
use crate::spec::{AclCategories, Arg, BeginSearch, CommandFlags, FindKeys, Group, KeyFlags, KeySpec};
use crate::value::Facts;
use crate::value::hash::Hash;
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::zset::ZSet;

pub const COMMANDS: &[Command] = &[
    Command::write("sort", -2, sort)
        .whole_keyspace_if(leads_elsewhere)
        .key_walker(walk_keys)
        .doc(
            Group::Generic,
            "1.0.0",
            "Sorts the elements of a list, set or sorted set, and may store them.",
            "O(N+M*log(M)) in the N elements and the M that are returned; O(N) without sorting.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::MOVABLE_KEYS))
        .acl(TYPES)
        .keys(&[
            KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
            PATTERN_KEYS,
            KeySpec {
                begin: BeginSearch::Unknown,
                find: FindKeys::Unknown,
                flags: KeyFlags::OW.union(KeyFlags::UPDATE),
                notes: "STORE may stand anywhere behind the key, and the last one counts.",
            },
        ])
        .args(&[
            Arg::key("key", 0),
            BY,
            LIMIT,
            GET,
            ORDER,
            Arg::token("sorting", "ALPHA").optional(),
            Arg::key("destination", 2).with_token("STORE").optional(),
        ]),
    Command::read("sort_ro", -2, sort_ro)
        .whole_keyspace_if(leads_elsewhere)
        .key_walker(|_, visit| {
            visit(1, KeyFlags::RO.union(KeyFlags::ACCESS));
            Ok(())
        })
        .doc(
            Group::Generic,
            "7.0.0",
            "Returns the elements of a list, set or sorted set sorted.",
            "O(N+M*log(M)) in the N elements and the M that are returned; O(N) without sorting.",
        )
        .flags(CommandFlags::MOVABLE_KEYS)
        .acl(TYPES)
        .keys(&[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)), PATTERN_KEYS])
        .args(&[Arg::key("key", 0), BY, LIMIT, GET, ORDER, Arg::token("sorting", "ALPHA").optional()]),
];

const TYPES: AclCategories = AclCategories::DANGEROUS
    .union(AclCategories::LIST)
    .union(AclCategories::SET)
    .union(AclCategories::SORTEDSET);
const PATTERN_KEYS: KeySpec = KeySpec {
    begin: BeginSearch::Unknown,
    find: FindKeys::Unknown,
    flags: KeyFlags::RO.union(KeyFlags::ACCESS),
    notes: "Patterns of BY and GET lead to keys that only the elements name.",
};
const BY: Arg = Arg::pattern("by-pattern").of_key(1).with_token("BY").display("pattern").optional();
const LIMIT: Arg =
    Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).with_token("LIMIT").optional();
const GET: Arg = Arg::pattern("get-pattern")
    .of_key(1)
    .with_token("GET")
    .display("pattern")
    .optional()
    .multiple()
    .multiple_token();
const ORDER: Arg = Arg::oneof("order", &[Arg::token("asc", "ASC"), Arg::token("desc", "DESC")]).optional();

/// The key, and the last STORE that is not the value of another option.
fn walk_keys(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    visit(1, KeyFlags::RO.union(KeyFlags::ACCESS));
    let (mut at, mut destination) = (2, None);
    while let Some(word) = args.get(at) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("LIMIT") {
            at += 2;
        } else if is("GET") || is("BY") {
            at += 1;
        } else if is("STORE") && at + 1 < args.len() {
            destination = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    if let Some(position) = destination {
        visit(position, KeyFlags::OW.union(KeyFlags::UPDATE));
    }
    Ok(())
}

/// Whether a pattern with a star follows BY or GET.
fn leads_elsewhere(args: &Args<'_>) -> bool {
    let is_option = |word: &[u8]| word.eq_ignore_ascii_case(b"BY") || word.eq_ignore_ascii_case(b"GET");
    (2..args.len()).any(|at| is_option(args.at(at)) && args.at(at + 1).contains(&b'*'))
}

/// Elements of the result that are fetched before they are needed.
const ELEMENTS_AHEAD: usize = 16;

/// What the request asks for.
#[derive(Default)]
struct SortOptions<'a> {
    by: Option<Pattern<'a>>,
    /// BY without a star.
    keeps_order: bool,
    gets: Vec<Pattern<'a>>,
    offset: i64,
    /// Negative: all.
    count: i64,
    is_descending: bool,
    is_alpha: bool,
    stores: bool,
}

impl<'a> SortOptions<'a> {
    fn parse(cx: &ReadCx<'_, '_>, req: &Request<'a>, may_store: bool) -> Result<SortOptions<'a>, CmdError> {
        let mut options = SortOptions { count: -1, ..SortOptions::default() };
        let mut cursor = req.args.cursor(2);
        while cursor.remaining() > 0 {
            if cursor.take_word("ASC") {
                options.is_descending = false;
            } else if cursor.take_word("DESC") {
                options.is_descending = true;
            } else if cursor.take_word("ALPHA") {
                options.is_alpha = true;
            } else if cursor.remaining() > 2 && cursor.take_word("LIMIT") {
                options.offset = int_value(&mut cursor)?;
                options.count = int_value(&mut cursor)?;
            } else if may_store && cursor.remaining() > 1 && cursor.take_word("STORE") {
                cursor.next();
                options.stores = true;
            } else if cursor.take_word("BY") {
                let pattern = Pattern::of(value(&mut cursor)?);
                options.keeps_order |= matches!(pattern, Pattern::Nothing | Pattern::Element);
                if matches!(pattern, Pattern::Key { .. }) {
                    check_all_keys(cx, req, "BY")?;
                }
                options.by = Some(pattern);
            } else if cursor.take_word("GET") {
                let pattern = Pattern::of(value(&mut cursor)?);
                check_all_keys(cx, req, "GET")?;
                options.gets.push(pattern);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    /// The part of `len` elements that LIMIT asks for.
    fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(len - start);
        start..start + count
    }
}

/// Options that make names of keys out of elements are for clients who may read every key.
fn check_all_keys(cx: &ReadCx<'_, '_>, req: &Request<'_>, option: &str) -> Result<(), CmdError> {
    if cx.may_read_all(req) {
        return Ok(());
    }
    Err(CmdError::owned(format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")))
}

/// Where a value for an element is found.
enum Pattern<'a> {
    /// `#`: the element.
    Element,
    /// No star: nowhere.
    Nothing,
    /// Before and behind the star of the key's name; a field of the hash under that key.
    Key { before: &'a [u8], behind: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    fn of(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = memchr::memchr(b'*', text) else { return Pattern::Nothing };
        let (before, behind) = (&text[..star], &text[star + 1..]);
        match memchr::memmem::find(behind, b"->") {
            // Without a name behind it the arrow is part of the key.
            Some(arrow) if arrow + 2 < behind.len() => {
                Pattern::Key { before, behind: &behind[..arrow], field: Some(&behind[arrow + 2..]) }
            }
            _ => Pattern::Key { before, behind, field: None },
        }
    }

    /// Calls `use_it` with the value for `element`, `None` if there is none or it has another type.
    fn look_up<R>(
        &self,
        cx: &mut ReadCx<'_, '_>,
        element: &[u8],
        name: &mut Vec<u8>,
        use_it: impl FnOnce(Option<&[u8]>) -> R,
    ) -> R {
        let Pattern::Key { before, behind, field } = self else {
            return use_it(matches!(self, Pattern::Element).then_some(element));
        };
        name.clear();
        name.extend([*before, element, *behind].into_iter().flatten());
        let (now, db) = (cx.now(), cx.db());
        let view = cx.keyspace();
        let key = view.keyspace().key(name);
        let entry = view.read(db, key);
        match field {
            None => use_it(entry.and_then(string_of).map(|string| string.bytes())),
            Some(field) => {
                let hash = entry.and_then(collection_of::<Hash>);
                let value = hash.and_then(|hash| hash.get(field, now));
                let mut digits = Digits::new();
                use_it(value.map(|value| value.bytes(&mut digits)))
            }
        }
    }
}

/// The elements to sort, end to end.
struct Elements {
    bytes: OwnedArgs,
    is_set: bool,
}

impl Elements {
    /// Collects them in the order in which the value has them.
    fn of(entry: Option<&Entry>, is_reversed: bool) -> Result<Elements, CmdError> {
        let mut elements = Elements { bytes: OwnedArgs::default(), is_set: false };
        let Some(entry) = entry else { return Ok(elements) };
        let mut digits = Digits::new();
        let bytes = &mut elements.bytes;
        if let Some(list) = collection_of::<List>(entry) {
            let last = Facts::len(list).saturating_sub(1);
            let all = if is_reversed { list.iter_back_from(last) } else { list.iter_from(0) };
            all.for_each(|element| bytes.push(element.bytes(&mut digits)));
        } else if let Some(set) = collection_of::<Set>(entry) {
            set.iter().for_each(|member| bytes.push(member.bytes(&mut digits)));
            elements.is_set = true;
        } else if let Some(zset) = collection_of::<ZSet>(entry) {
            let all = zset.items(0..Facts::len(zset), is_reversed);
            all.for_each(|(member, _)| bytes.push(member.bytes(&mut digits)));
        } else {
            return Err(CmdError::WrongType);
        }
        Ok(elements)
    }
}

/// An element on its way to its place: where its weight puts it, and its number among the elements.
struct Weighed {
    key: u64,
    index: u32,
}

/// A number that is less than another one's if the weight comes before the other.
fn key_of(weight: f64, is_descending: bool) -> u64 {
    const SIGN: u64 = 1 << 63;
    // Both zeros weigh the same.
    let bits = (weight + 0.0).to_bits();
    let key = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    if is_descending { !key } else { key }
}

/// Indices of the elements that the reply consists of, in order.
fn order(
    cx: &mut ReadCx<'_, '_>,
    options: &SortOptions<'_>,
    elements: &Elements,
) -> Result<Vec<u32>, CmdError> {
    let args = elements.bytes.as_args();
    let range = options.range(args.len());
    // Elements of a set have no order of their own, so what is stored, or what a script gets, would depend on chance.
    let is_to_be_ordered = options.stores || cx.in_script;
    let forces_alpha = options.keeps_order && elements.is_set && is_to_be_ordered;
    if options.keeps_order && !forces_alpha {
        return Ok((range.start as u32..range.end as u32).collect());
    }
    let by = options.by.as_ref().filter(|_| !forces_alpha);
    if options.is_alpha || forces_alpha {
        return Ok(order_texts(cx, options, by, &args, range));
    }
    order_numbers(cx, options, by, &args, range)
}

fn order_numbers(
    cx: &mut ReadCx<'_, '_>,
    options: &SortOptions<'_>,
    by: Option<&Pattern<'_>>,
    args: &Args<'_>,
    range: Range<usize>,
) -> Result<Vec<u32>, CmdError> {
    const NOT_NUMBERS: CmdError = CmdError::text("ERR One or more scores can't be converted into double");
    let weigh = |text: &[u8]| parse_f64_bound(text).ok_or(NOT_NUMBERS);
    let mut weighed = Vec::with_capacity(args.len());
    let (mut name, mut failed) = (Vec::new(), None);
    for (index, element) in args.iter().enumerate() {
        let number = match by {
            None => weigh(element),
            Some(by) => by.look_up(cx, element, &mut name, |text| text.map_or(Ok(0.0), weigh)),
        };
        // All are looked at, as in Redis: a pattern may find what has expired.
        match number {
            Ok(weight) => {
                weighed.push(Weighed { key: key_of(weight, options.is_descending), index: index as u32 })
            }
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // Elements of equal weight are ordered by their bytes, so that the order is one.
    let compare = |one: &Weighed, other: &Weighed| {
        let texts = || args.at(one.index as usize).cmp(args.at(other.index as usize));
        one.key.cmp(&other.key).then_with(|| directed(texts(), options.is_descending))
    };
    if range.len() == weighed.len() {
        // By weight alone, which takes no branches, and then those that weigh the same.
        weighed.sort_unstable_by_key(|element| element.key);
        let same = weighed.chunk_by_mut(|one, other| one.key == other.key).filter(|same| same.len() > 1);
        same.for_each(|same| same.sort_unstable_by(compare));
    } else {
        sort_part(&mut weighed, range.clone(), compare);
    }
    Ok(weighed[range].iter().map(|element| element.index).collect())
}

fn order_texts(
    cx: &mut ReadCx<'_, '_>,
    options: &SortOptions<'_>,
    by: Option<&Pattern<'_>>,
    args: &Args<'_>,
    range: Range<usize>,
) -> Vec<u32> {
    let mut name = Vec::new();
    let weights: Option<Vec<Option<Box<[u8]>>>> = by.map(|by| {
        let mut weight = |element| by.look_up(cx, element, &mut name, |text| text.map(Box::from));
        args.iter().map(&mut weight).collect()
    });
    let mut indices: Vec<u32> = (0..args.len() as u32).collect();
    let compare = |&one: &u32, &other: &u32| {
        let (one, other) = (one as usize, other as usize);
        let ordering = match &weights {
            // A missing weight is less than any other.
            Some(weights) => weights[one].cmp(&weights[other]),
            None => args.at(one).cmp(args.at(other)),
        };
        directed(ordering, options.is_descending)
    };
    if weights.is_some() {
        // Equal weights leave the elements in their order.
        indices.sort_by(compare);
    } else {
        sort_part(&mut indices, range.clone(), compare);
    }
    indices[range].to_vec()
}

fn directed(ordering: Ordering, is_descending: bool) -> Ordering {
    if is_descending { ordering.reverse() } else { ordering }
}

/// Brings the items of `range` to where a whole sort would have them.
fn sort_part<T>(items: &mut [T], range: Range<usize>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    if range.is_empty() {
        return;
    }
    if range.end < items.len() {
        items.select_nth_unstable_by(range.end - 1, &mut compare);
    }
    let items = &mut items[..range.end];
    if range.start > 0 {
        items.select_nth_unstable_by(range.start, &mut compare);
    }
    items[range.start..].sort_unstable_by(compare);
}

/// Calls `give` with each value of the result, and says beforehand how many they are.
fn results(
    cx: &mut ReadCx<'_, '_>,
    options: &SortOptions<'_>,
    elements: &Elements,
    order: &[u32],
    mut give: impl FnMut(Option<&[u8]>),
) {
    let args = elements.bytes.as_args();
    let mut name = Vec::new();
    for (at, &index) in order.iter().enumerate() {
        // They lie all over the memory.
        for (ahead, is_near) in [(2 * ELEMENTS_AHEAD, false), (ELEMENTS_AHEAD, true)] {
            order.get(at + ahead).into_iter().for_each(|&soon| args.prefetch(soon as usize, is_near));
        }
        let element = args.at(index as usize);
        if options.gets.is_empty() {
            give(Some(element));
        }
        for get in &options.gets {
            get.look_up(cx, element, &mut name, &mut give);
        }
    }
}

fn sort_ro(cx: &mut ReadCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = SortOptions::parse(cx, req, false)?;
    answer(cx, req, reply, &options)
}

fn answer(
    cx: &mut ReadCx<'_, '_>,
    req: &Request<'_>,
    reply: ReplySlot<'_>,
    options: &SortOptions<'_>,
) -> Outcome {
    let elements = Elements::of(cx.read(req.key(0)?), options.keeps_order && options.is_descending)?;
    let order = order(cx, options, &elements)?;
    Ok(reply.write(|writer| {
        writer.array(order.len() * options.gets.len().max(1));
        results(cx, options, &elements, &order, |value| writer.bulk_or_null(value));
    }))
}

fn sort(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = SortOptions::parse(cx, req, true)?;
    if !options.stores {
        return answer(cx, req, reply, &options);
    }
    let limits = limits(cx.config);
    let elements = Elements::of(cx.read(req.key(0)?), options.keeps_order && options.is_descending)?;
    let order = order(cx, &options, &elements)?;
    let mut values = OwnedArgs::default();
    results(cx, &options, &elements, &order, |value| values.push(value.unwrap_or_default()));
    let values = values.as_args();
    let destination = req.key(1)?;
    if values.is_empty() {
        cx.empty_destination(destination);
        return Ok(reply.count(0));
    }
    let mut list = List::default();
    list.grow(limits, || values.total_bytes(), values.len());
    values.iter().for_each(|value| list.push(End::Back, value));
    cx.edit(destination, |entry| {
        entry.set_value(list, Ttl::Clear);
        let changes = u32::try_from(values.len()).unwrap_or(u32::MAX);
        Ok(((), Effect::event(EventClass::List, "sortstore").changes(changes)))
    })?;
    Ok(reply.count(values.len()))
}
