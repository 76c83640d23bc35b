//! HyperLogLogs against plain registers, and against bytes that Redis made.

use super::*;
use proptest::prelude::*;

fn filled(elements: u64, sparse_max_bytes: usize) -> Vec<u8> {
    let mut bytes = Cow::Owned(empty());
    for number in 0..elements {
        add(&mut bytes, Trace::of(format!("e{number}").as_bytes()), sparse_max_bytes).unwrap();
    }
    bytes.into_owned()
}

#[test]
fn an_empty_one_has_eighteen_bytes() {
    assert_eq!(empty(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    assert_eq!((encoding_of(&empty()), fresh_count(&empty())), (Some(Encoding::Sparse), Some(0)));
    assert_eq!(count(&empty()), Ok(0));
}

#[test]
fn the_self_test_passes() {
    assert_eq!(selftest::run(), Ok(()));
}

#[test]
fn a_sparse_one_becomes_dense_with_the_same_registers() {
    let (sparse, dense) = (filled(600, 3000), filled(600, 0));
    assert_eq!(encoding_of(&sparse), Some(Encoding::Sparse));
    assert_eq!(encoding_of(&dense), Some(Encoding::Dense));
    assert_eq!(to_dense(&sparse).unwrap(), dense);
    assert_eq!(count(&sparse), count(&dense));
}

#[test]
fn the_count_is_kept_until_it_is_forgotten() {
    let mut bytes = filled(10, 3000);
    keep_count(&mut bytes, 10);
    assert_eq!(fresh_count(&bytes), Some(10));
    let dense = to_dense(&bytes).unwrap();
    assert_eq!(fresh_count(&dense), Some(10));
    forget_count(&mut bytes);
    assert_eq!(fresh_count(&bytes), None);
}

#[test]
fn strange_headers_are_no_hyperloglog() {
    let dense = Registers::default().to_dense();
    for strange in [
        &b""[..],
        b"HYLL\x01",
        b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        &dense[..DENSE_BYTES - 1],
    ] {
        assert_eq!(encoding_of(strange), None, "{strange:?}");
    }
}

#[test]
fn runs_that_do_not_add_up_are_corrupted() {
    for runs in [&b""[..], b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f", b"\x7f\xff\x80"] {
        let mut bytes = header(Encoding::Sparse);
        bytes.extend_from_slice(runs);
        assert_eq!(count(&bytes), Err(Corrupted), "{runs:?}");
        assert_eq!(to_dense(&bytes), Err(Corrupted));
    }
}

proptest! {
    #[test]
    fn registers_are_the_highest_ranks(
        traces in prop::collection::vec((0usize..REGISTERS, 1u8..=51), 0..200),
        near in prop::collection::vec((0usize..40, 1u8..4), 0..200),
        max in prop::sample::select(vec![0usize, 60, 3000]),
    ) {
        let mut plain = vec![0u8; REGISTERS];
        let mut bytes = Cow::Owned(empty());
        for (register, rank) in traces.into_iter().chain(near) {
            let rises = plain[register] < rank;
            plain[register] = plain[register].max(rank);
            prop_assert_eq!(add(&mut bytes, Trace { register, rank }, max), Ok(rises));
        }
        let mut merged = Registers::default();
        merged.merge(&bytes).unwrap();
        prop_assert_eq!(merged.iter().collect::<Vec<u8>>(), plain);
        prop_assert_eq!(merged.count(), count(&bytes).unwrap());
        let again = merged.to_dense();
        let mut unpacked = Registers::default();
        unpacked.merge(&again).unwrap();
        prop_assert!(unpacked.iter().eq(merged.iter()));
    }

    #[test]
    fn bytes_from_outside_do_no_harm(tail in prop::collection::vec(any::<u8>(), 0..60), register in 0usize..REGISTERS, rank in 1u8..=51) {
        let mut bytes = header(Encoding::Sparse);
        bytes.extend_from_slice(&tail);
        let _ = (count(&bytes), to_dense(&bytes), describe_sparse(&bytes));
        let mut bytes = Cow::Owned(bytes);
        let _ = add(&mut bytes, Trace { register, rank }, 3000);
    }
}
