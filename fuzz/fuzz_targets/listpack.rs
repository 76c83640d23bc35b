//! Bytes from outside as listpack and as intset: refused, or sound and the same after another round.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::ds::intset::IntSet;
use ochre::ds::listpack::ListPack;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pack) = ListPack::validate(bytes) {
        let forward: Vec<Vec<u8>> = pack.iter().map(|element| element.to_vec()).collect();
        let mut backward: Vec<Vec<u8>> = pack.iter().rev().map(|element| element.to_vec()).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), pack.len());
        let rebuilt: ListPack = forward.iter().map(Vec::as_slice).collect();
        assert_eq!(rebuilt.as_slice(), pack.as_slice());
    }
    if let Ok(set) = IntSet::validate(bytes) {
        assert!(set.iter().zip(set.iter().skip(1)).all(|(one, other)| one < other));
    }
});
