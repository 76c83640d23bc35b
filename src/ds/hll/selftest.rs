//! What PFSELFTEST runs: the structure against itself, on the machine that asks.
//!
//! * dense registers against plain bytes, in random order;
//! * a sparse one that grows until it becomes dense, against one that was dense from the start;
//! * estimates up to a million elements, which must lie within five standard errors (1.04 / √m) and a bit.

use super::{
    Corrupted, Encoding, HEADER_BYTES, REGISTERS, Registers, Trace, add, add_dense, count, dense, empty,
};
use crate::base::rng::Rng;
use std::borrow::Cow;

/// Runs everything; the error says what failed.
pub fn run() -> Result<(), String> {
    let mut rng = Rng::from_seed(0x4859_4c4c);
    registers(&mut rng)?;
    encodings(&mut rng).map_err(|Corrupted| "a sparse form lost registers".to_owned())??;
    estimates(&mut rng).map_err(|Corrupted| "a form of its own making counts as corrupted".to_owned())?
}

fn registers(rng: &mut Rng) -> Result<(), String> {
    const ROUNDS: usize = 20;
    let mut plain = vec![0_u8; REGISTERS];
    let mut bytes = Registers::default().to_dense();
    for round in 0..ROUNDS {
        for register in 0..REGISTERS {
            let rank = rng.below(64) as u8;
            if let Some(place) = plain.get_mut(register) {
                *place = rank.max(*place);
            }
            add_dense(&mut bytes, Trace { register, rank });
        }
        let differs = |(register, rank): (usize, &u8)| dense::get(&bytes, register) != *rank;
        if let Some(register) = plain.iter().enumerate().position(differs) {
            return Err(format!("dense register {register} is wrong in round {round}"));
        }
    }
    Ok(())
}

fn encodings(rng: &mut Rng) -> Result<Result<(), String>, Corrupted> {
    const SPARSE_MAX_BYTES: usize = 3000;
    let mut sparse = Cow::Owned(empty());
    let mut dense = Registers::default().to_dense();
    let mut added = 0;
    while super::encoding_of(&sparse) == Some(Encoding::Sparse) {
        let trace = Trace::of(&rng.next_u64().to_le_bytes());
        let rises = [add(&mut sparse, trace, SPARSE_MAX_BYTES)?, add_dense(&mut dense, trace)];
        added += 1;
        if rises != [rises[0]; 2] || added % 64 == 0 && count(&sparse)? != count(&dense)? {
            return Ok(Err(format!("sparse and dense differ after {added} elements")));
        }
    }
    let same = sparse.get(HEADER_BYTES..) == dense.get(HEADER_BYTES..);
    Ok(if same { Ok(()) } else { Err("the dense form of a sparse one differs".to_owned()) })
}

fn estimates(rng: &mut Rng) -> Result<Result<(), String>, Corrupted> {
    const ELEMENTS: u64 = 1_000_000;
    let standard_error = 1.04 / (REGISTERS as f64).sqrt();
    let seed = rng.next_u64();
    let mut dense = Registers::default().to_dense();
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        add_dense(&mut dense, Trace::of(&(seed ^ number).to_le_bytes()));
        if number == checkpoint {
            let estimate = count(&dense)?;
            let allowed = (5.0 * standard_error * number as f64).ceil() as u64 + 1;
            if estimate.abs_diff(number) > allowed {
                return Ok(Err(format!("{estimate} is no estimate of {number} elements")));
            }
            checkpoint *= 10;
        }
    }
    Ok(Ok(()))
}
