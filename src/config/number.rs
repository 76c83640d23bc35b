//! Numbers as configuration values write them, beside plain integers: sizes with units, octal modes. A size may end in a unit:
//! `k`, `m`, `g` are powers of 1000 and `kb`, `mb`, `gb` powers of 1024, in any case.

/// Reads a size in bytes: digits and an optional unit (`b k kb m mb g gb`, any case).
///
/// No digits at all count as zero, as in Redis. A number too big for 64 bits becomes the biggest one when it
/// has no unit; with a unit it is refused (Redis would wrap around and store a wrong size).
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at_checked(count)?;
    let unit_bytes: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let ten_times = |number: u64, digit: &u8| {
        number.checked_mul(10).and_then(|number| number.checked_add(u64::from(digit - b'0')))
    };
    let number = digits.iter().try_fold(0u64, ten_times);
    match number {
        Some(number) => number.checked_mul(unit_bytes),
        None if unit_bytes == 1 => Some(u64::MAX),
        None => None,
    }
}

/// A size with the biggest binary unit that divides it: `104857600` → `100mb`.
pub(crate) fn format_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads an octal number with an optional sign; nothing at all is zero.
pub(crate) fn parse_octal(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_know_units() {
        let accepted: &[(&str, u64)] = &[
            ("1k", 1000),
            ("1kb", 1024),
            ("1KB", 1024),
            ("1m", 1_000_000),
            ("1mb", 1 << 20),
            ("1g", 1_000_000_000),
            ("1Gb", 1 << 30),
            ("1b", 1),
            ("00012", 12),
            ("", 0),
            ("k", 0),
            ("18446744073709551615", u64::MAX),
            ("99999999999999999999999999", u64::MAX),
        ];
        for (text, bytes) in accepted {
            assert_eq!(parse_memory(text.as_bytes()), Some(*bytes), "{text}");
        }
        for wrong in ["-1", "-0", "1.5", "1 k", " 1", "1 ", "0x10", "+5", "1kk", "-", "1t", "100000000000gb"]
        {
            assert_eq!(parse_memory(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(format_memory(104_857_600), "100mb");
        assert_eq!(format_memory(3_000_001), "3000001");
        assert_eq!(format_memory(0), "0");
    }
}
