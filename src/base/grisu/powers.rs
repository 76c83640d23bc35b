//! The cached powers of ten of Grisu2: `10^k` for `k` = -348, -340 … 340, rounded to 64 bits.
//!
//! The tests compute every one of them again by exact arithmetic.

use super::Float;

/// The decimal exponent of the first power, the distance between two, how many there are.
pub(super) const FIRST_POWER: i32 = -348;
pub(super) const POWER_STEP: i32 = 8;
pub(super) const POWER_COUNT: i32 = 87;

/// The power at `index` in the table, and its decimal exponent.
pub(super) fn power(index: i32) -> Option<(Float, i32)> {
    let significand = *SIGNIFICANDS.get(usize::try_from(index).ok()?)?;
    let k = FIRST_POWER + index * POWER_STEP;
    // 217706 / 2^16 is log2(10), close enough for the whole part at every k here.
    let exponent = ((k * 217_706) >> 16) - 63;
    Some((Float { significand, exponent }, k))
}

#[rustfmt::skip]
static SIGNIFICANDS: [u64; POWER_COUNT as usize] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_power_is_the_exact_one_rounded() {
        for index in 0..POWER_COUNT {
            let (power, k) = power(index).unwrap();
            let exact = power_of_ten(k);
            assert_eq!((power.significand, power.exponent), (exact.significand, exact.exponent), "10^{k}");
        }
        assert!(power(-1).is_none() && power(POWER_COUNT).is_none());
    }

    /// `10^k` rounded to 64 bits, by exact arithmetic on 32-bit limbs, lowest first.
    fn power_of_ten(k: i32) -> Float {
        let mut power = vec![1u32];
        for _ in 0..k.unsigned_abs() {
            multiply_by_ten(&mut power);
        }
        if k >= 0 {
            return top_bits(&power, false, 0);
        }
        // 10^-k does not divide 2^n; n leaves the quotient well more than 64 bits.
        let shift_limbs = power.len() + 3;
        let (quotient, inexact) = divide_power_of_two(shift_limbs, &power);
        top_bits(&quotient, inexact, -32 * shift_limbs as i32)
    }

    fn multiply_by_ten(limbs: &mut Vec<u32>) {
        let mut carry = 0u64;
        for limb in limbs.iter_mut() {
            carry += u64::from(*limb) * 10;
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }

    /// `2^(32 × shift_limbs) / divisor` bit by bit, and whether something was left over.
    fn divide_power_of_two(shift_limbs: usize, divisor: &[u32]) -> (Vec<u32>, bool) {
        let bits = 32 * shift_limbs;
        let mut quotient = vec![0u32; shift_limbs + 1];
        let mut rest = vec![0u32; divisor.len() + 1];
        for bit in (0..=bits).rev() {
            shift_in(&mut rest, u32::from(bit == bits));
            if !less(&rest, divisor) {
                subtract(&mut rest, divisor);
                if let Some(limb) = quotient.get_mut(bit / 32) {
                    *limb |= 1 << (bit % 32);
                }
            }
        }
        (quotient, rest.iter().any(|&limb| limb != 0))
    }

    fn shift_in(limbs: &mut [u32], mut bit: u32) {
        for limb in limbs {
            let out = *limb >> 31;
            *limb = *limb << 1 | bit;
            bit = out;
        }
    }

    /// Whether `a < b`; `a` has one limb more.
    fn less(a: &[u32], b: &[u32]) -> bool {
        let padded = b.iter().chain(std::iter::once(&0)).rev();
        a.iter().rev().lt(padded)
    }

    fn subtract(a: &mut [u32], b: &[u32]) {
        let mut borrow = 0i64;
        for (limb, other) in a.iter_mut().zip(b.iter().chain(std::iter::once(&0))) {
            let difference = i64::from(*limb) - i64::from(*other) + borrow;
            *limb = difference as u32;
            borrow = difference >> 32;
        }
    }

    /// The top 64 bits of `limbs × 2^exponent`, rounded to nearest.
    fn top_bits(limbs: &[u32], inexact: bool, exponent: i32) -> Float {
        let bit = |index: i32| {
            let limb =
                usize::try_from(index).ok().and_then(|index| limbs.get(index / 32)).copied().unwrap_or(0);
            u64::from(limb >> (index.rem_euclid(32)) & 1)
        };
        let len = limbs.len() as i32 * 32;
        let top = (0..len).rev().find(|&index| bit(index) == 1).unwrap_or(0);
        let significand = (0..64).fold(0u64, |sum, place| sum << 1 | bit(top - place));
        let low = top - 63;
        let half = bit(low - 1) == 1;
        let more = inexact || (0..low - 1).any(|index| bit(index) == 1);
        let rounded_up = half && (more || significand & 1 == 1);
        match significand.checked_add(u64::from(rounded_up)) {
            Some(significand) => Float { significand, exponent: exponent + low },
            None => Float { significand: 1 << 63, exponent: exponent + low + 1 },
        }
    }
}
