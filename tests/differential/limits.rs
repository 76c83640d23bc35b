//! Limits of small encodings: sequences set them, so that a handful of members is already too much.

use super::chance::Chance;
use super::pair::Request;

/// An option, what it is set to before every sequence, and what sequences set it to.
const LIMITS: [(&str, &str, &[&str]); 11] = [
    ("hash-max-listpack-entries", "128", &["0", "1", "3", "5", "1000"]),
    ("hash-max-listpack-value", "64", &["0", "1", "5", "10000"]),
    ("list-max-listpack-size", "-2", &["1", "2", "4", "-1", "-5"]),
    ("list-compress-depth", "0", &["1", "2"]),
    ("set-max-intset-entries", "512", &["0", "1", "3"]),
    ("set-max-listpack-entries", "128", &["0", "1", "4", "1000"]),
    ("set-max-listpack-value", "64", &["0", "1", "5", "10000"]),
    ("zset-max-listpack-entries", "128", &["0", "1", "3", "1000"]),
    ("zset-max-listpack-value", "64", &["0", "1", "5", "10000"]),
    ("hll-sparse-max-bytes", "3000", &["0", "20", "100"]),
    ("stream-node-max-entries", "100", &["1", "3"]),
];

fn set(name: &str, value: &str) -> Request {
    ["CONFIG", "SET", name, value].map(|word| word.as_bytes().to_vec()).into()
}

/// Sets every limit to what it is without a configuration.
pub fn defaults() -> Vec<Request> {
    LIMITS.iter().map(|(name, default, _)| set(name, default)).collect()
}

/// Sets most limits to something else.
pub fn requests(chance: &mut Chance) -> Vec<Request> {
    let mut requests = Vec::new();
    for (name, _, values) in LIMITS {
        if chance.percent(70) {
            requests.push(set(name, chance.pick::<&str>(values)));
        }
    }
    requests
}
