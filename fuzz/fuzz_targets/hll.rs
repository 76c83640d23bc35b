//! HyperLogLog strings from outside: any bytes behind a header. Nothing may panic, and what can be counted must stay the same
//! when its form changes.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use ochre::ds::hll::{self, Encoding, Registers, Trace};

fuzz_target!(|input: (Vec<u8>, Vec<(u16, u8)>, u16)| {
    let (tail, traces, max_bytes) = input;
    let mut bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80".to_vec();
    bytes.extend_from_slice(&tail);
    let _ = (hll::fresh_count(&tail), hll::encoding_of(&tail), hll::describe_sparse(&bytes));
    let is_sound = hll::count(&bytes).is_ok();
    let mut plain = Registers::default();
    assert_eq!(plain.merge(&bytes).is_ok(), is_sound);
    let mut bytes = Cow::Owned(bytes);
    for (register, rank) in traces {
        let trace = Trace { register: usize::from(register) % hll::REGISTERS, rank: rank % 51 + 1 };
        let added = hll::add(&mut bytes, trace, usize::from(max_bytes));
        assert!(added.is_ok() || !is_sound);
    }
    if is_sound {
        let dense = match hll::encoding_of(&bytes) {
            Some(Encoding::Sparse) => hll::to_dense(&bytes).unwrap(),
            _ => bytes.to_vec(),
        };
        assert_eq!(hll::count(&dense), hll::count(&bytes));
    }
});
