//! Facts from a running Redis 8.0 (`INFO latencystats`, `LATENCY HISTOGRAM`) and properties.

use super::*;
use proptest::prelude::*;

fn recorded(values_ns: &[u64]) -> Merged {
    let histogram = Histogram::new();
    values_ns.iter().for_each(|&ns| histogram.record(ns));
    Merged::of([&histogram])
}

#[test]
fn percentiles_as_redis_prints_them() {
    let facts = [
        (0, "0.001"),
        (1, "1.003"),
        (2, "2.007"),
        (6, "6.015"),
        (9, "9.023"),
        (17, "17.023"),
        (37, "37.119"),
        (41, "41.215"),
        (58, "58.111"),
        (128, "128.511"),
        (500_100, "501219.327"),
        (1_200_000, "1002438.655"),
    ];
    for (us, text) in facts {
        assert_eq!(format!("{:.3}", recorded(&[us * 1000]).percentile_us(50.0)), text, "{us}");
    }
}

#[test]
fn ranks_are_rounded_to_the_nearest() {
    let merged = recorded(&[1_000_000, 10_600_000, 100_100_000, 500_100_000]);
    let at = |percentile| format!("{:.3}", merged.percentile_us(percentile));
    assert_eq!([at(50.0), at(99.0), at(99.9)], ["10616.831", "501219.327", "501219.327"]);
    assert_eq!((merged.percentile_ns(0.0), merged.percentile_ns(-1.0)), (1_003_519, 1_003_519));
    assert_eq!(recorded(&[]).percentile_ns(50.0), 0);
    assert_eq!(Merged::of([]).percentile_ns(50.0), 0);
}

#[test]
fn cumulative_pairs_as_redis_prints_them() {
    let slow = recorded(&[1_100_000, 10_600_000, 100_100_000, 500_100_000, 1_200_000_000]);
    assert_eq!(slow.cumulative_pow2_us(), [(2113, 1), (16908, 2), (135266, 3), (541065, 4), (1073741, 5)]);
    let fast = recorded(&[0, 1_000, 2_000, 3_000, 6_000, 13_000, 30_000, 41_000, 128_000]);
    let expected = [(1, 2), (2, 3), (4, 4), (8, 5), (16, 6), (33, 7), (66, 8), (132, 9)];
    assert_eq!(fast.cumulative_pow2_us(), expected);
    assert_eq!(recorded(&[]).cumulative_pow2_us(), []);
    assert_eq!(Merged::of([]).cumulative_pow2_us(), []);
}

#[test]
fn merging_adds_up() {
    let parts = [Histogram::new(), Histogram::new(), Histogram::new()];
    parts[0].record(1_000);
    parts[2].record(1_000);
    parts[2].record(5_000_000_000);
    let merged = Merged::of(&parts);
    assert_eq!(
        (merged.count(), merged.percentile_ns(50.0), merged.percentile_ns(100.0)),
        (3, 1_003, 1_002_438_655)
    );
}

#[test]
fn memory_follows_what_was_recorded() {
    let histogram = Histogram::new();
    assert_eq!(histogram.allocated_bytes(), 0);
    (700..40_000).for_each(|ns| histogram.record(ns));
    assert!(size_of::<Histogram>() + histogram.allocated_bytes() <= 4096 + 512);
    (0..31).for_each(|power| histogram.record(1 << power));
    assert_eq!(histogram.allocated_bytes(), ROWS * 512);
}

#[test]
fn counters_survive_their_32_bits() {
    let histogram = Histogram::new();
    histogram.record(5);
    histogram.rows[0].get().unwrap()[5].store(u32::MAX, Ordering::Relaxed);
    histogram.record(5);
    histogram.record(5);
    assert_eq!(Merged::of([&histogram]).count(), (1 << 32) + 1);
}

proptest! {
    #[test]
    fn buckets_are_ordered_and_fine_enough(value in 0u64..=VALUE_MAX_NS) {
        let index = index_of(value);
        prop_assert!(index < ROWS * ROW_LEN);
        let highest = highest_in(index);
        prop_assert!(value <= highest && highest - value <= value / 128);
        prop_assert_eq!(index_of(highest), index);
        prop_assert_eq!(index_of(highest + 1), index + 1);
    }

    #[test]
    fn percentiles_match_a_sorted_list(mut values in proptest::collection::vec(1u64..2_000_000, 1..200), percentile in 0.0..100.0f64) {
        let merged = recorded(&values);
        values.sort_unstable();
        let rank = ((percentile / 100.0 * values.len() as f64 + 0.5) as usize).clamp(1, values.len());
        prop_assert_eq!(merged.percentile_ns(percentile), highest_in(index_of(values[rank - 1])));
        let pairs = merged.cumulative_pow2_us();
        prop_assert_eq!(pairs.last().map(|pair| pair.1), Some(values.len() as u64));
        prop_assert!(pairs.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
    }
}
