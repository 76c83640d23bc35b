//! Bytes that an element of a big value costs, and a small hash.
//!
//! Tables double, nodes split, arrays grow: what an element costs depends on when one looks. So the value grows
//! to twice its size, `used_memory` is read on the way, and the bytes per element are averaged.

use crate::Plan;
use crate::client::{Connection, key, pour, request};
use crate::collection::Collection;
use crate::report::Table;
use crate::server::{Instance, Peer};

/// Readings while a value doubles.
const READINGS: u64 = 20;
/// Fields of the small hash.
const FIELDS: usize = 10;
/// Bytes of its values, 12 on average.
const VALUE_BYTES: [usize; 9] = [8, 9, 10, 11, 12, 13, 14, 15, 16];
/// Bytes per element that may be needed.
const BARS: [(Collection, Option<f64>); 5] = [
    (Collection::Set, Some(36.0)),
    (Collection::Hash, Some(56.0)),
    (Collection::Zset, Some(56.0)),
    (Collection::List, Some(18.5)),
    (Collection::Stream, None),
];
const BAR_SMALL_HASH: f64 = 250.0;

pub fn run(plan: &Plan) {
    let elements = if plan.quick { 50_000 } else { 1_000_000 };
    let mut head = vec!["value".to_owned()];
    head.extend(plan.peers.iter().map(|peer| peer.name.clone()));
    head.push("bar".into());
    let mut table = Table::new(head);
    for (collection, bar) in BARS {
        let cells = plan.peers.iter().map(|peer| {
            let instance = peer.start();
            instance.knows(collection.adding()).then(|| bytes_per_element(&instance, collection, elements))
        });
        table.row(cells_of(&format!("big {}", collection.name()), cells, bar));
    }
    let cells = plan.peers.iter().map(|peer| Some(small_hash(peer, elements / 5)));
    table.row(cells_of(&format!("hash of {FIELDS} fields"), cells, Some(BAR_SMALL_HASH)));
    table.print(&format!("Bytes per element, averaged from {elements} to {} elements", 2 * elements));
}

fn cells_of(first: &str, bytes: impl Iterator<Item = Option<f64>>, bar: Option<f64>) -> Vec<String> {
    let mut cells = vec![first.to_owned()];
    cells.extend(bytes.map(|bytes| bytes.map_or("–".into(), |bytes| format!("{bytes:.1}"))));
    cells.push(bar.map_or("–".into(), |bar| format!("≤ {bar}")));
    cells
}

fn bytes_per_element(instance: &Instance, collection: Collection, elements: u64) -> f64 {
    let mut connection = instance.connect();
    averaged(instance, &mut connection, elements, |connection, begin, end| {
        collection.extend(connection, "big", begin, end, 2 * elements);
    })
}

/// Bytes of a hash of ten short fields, its key of 16 bytes included. Values are of several lengths, since allocators
/// have sizes and one length alone would be good or bad luck.
fn small_hash(peer: &Peer, hashes: u64) -> f64 {
    let instance = peer.start();
    let mut connection = instance.connect();
    let requests = VALUE_BYTES.map(|bytes| {
        let (key, value) = (key("key", 0), "x".repeat(bytes));
        let names: Vec<String> = (0..FIELDS).map(|number| format!("f{number}")).collect();
        let fields = names.iter().flat_map(|name| [name.as_str(), &value]);
        request(&["HSET", &key].into_iter().chain(fields).collect::<Vec<_>>())
    });
    averaged(&instance, &mut connection, hashes, |connection, begin, end| {
        let share = (end - begin).div_ceil(requests.len() as u64);
        let mut from = begin;
        for one in &requests {
            let to = end.min(from + share);
            pour(connection, one, 1, from..to, |number| number);
            from = to;
        }
    })
}

/// The mean of the bytes for each of the things that `grow` adds, while they double from `count`.
fn averaged(
    instance: &Instance,
    connection: &mut Connection,
    count: u64,
    mut grow: impl FnMut(&mut Connection, u64, u64),
) -> f64 {
    let empty = instance.used_bytes();
    grow(connection, 0, count);
    let mut sum = 0.0;
    for reading in 0..READINGS {
        let (begin, end) = (count + count * reading / READINGS, count + count * (reading + 1) / READINGS);
        grow(connection, begin, end);
        sum += instance.used_bytes().saturating_sub(empty) as f64 / end as f64;
    }
    sum / READINGS as f64
}
