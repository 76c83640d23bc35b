//! From the distribution of ranks to the number of elements.
//!
//! Ertl's improved raw estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6):
//! no table of corrections, no switch between small and large. With `C[k]` registers of rank `k`, m registers
//! and q bits of hash behind the register number:
//!
//! ```text
//! z = m·τ(1 − C[q+1]/m);   for k = q … 1: z = (z + C[k]) / 2;   z = z + m·σ(C[0]/m);   n = α·m² / z
//! ```
//!
//! The order of operations is part of the format: counts are kept in the stored bytes.

use super::{Distribution, RANK_BITS, RANKS, REGISTERS};

/// 1 / (2 ln 2), as Redis writes it down.
const ALPHA: f64 = 0.721_347_520_444_481_7;

pub(super) fn count(ranks: &Distribution) -> u64 {
    let m = REGISTERS as f64;
    let registers = |rank: usize| f64::from(ranks.get(rank).copied().unwrap_or(0));
    let mut z = m * tau((m - registers(RANKS - 1)) / m);
    for rank in (1..=RANK_BITS as usize).rev() {
        z += registers(rank);
        z *= 0.5;
    }
    z += m * sigma(registers(0) / m);
    (ALPHA * m * m / z).round() as u64
}

/// x + Σ x^(2^k)·2^(k−1): what registers that nothing has touched add.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// (1 − x − Σ (1 − x^(2^−k))²·2^(−k)) / 3: what registers that are full add.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}
