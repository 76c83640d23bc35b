//! Geo commands: places in a sorted set.
//!
//! ```text
//! add     GEOADD                              search  GEOSEARCH GEOSEARCHSTORE
//! look    GEOPOS GEODIST GEOHASH              radius  GEORADIUS GEORADIUSBYMEMBER and their _RO forms
//! query   the options of both kinds of search  results what they found, as reply or sorted set
//! ```
//!
//! What a place is, and how near ones are found, stands in [`crate::value::geo`]. Here: arguments and digits. Distances
//! have four digits behind the point and are text in both protocols; coordinates are doubles.

pub mod add;
pub mod look;
mod query;
pub mod radius;
mod results;
pub mod search;

use crate::base::float::parse_f64;
use crate::dispatch::CmdError;
use crate::resp::Writer;
use crate::spec::Arg;
use crate::value::geo::Position;

const UNITS: &[Arg] =
    &[Arg::token("m", "M"), Arg::token("km", "KM"), Arg::token("ft", "FT"), Arg::token("mi", "MI")];

/// Meters in a unit.
fn unit_m(word: &[u8]) -> Result<f64, CmdError> {
    const UNSUPPORTED: CmdError = CmdError::text("ERR unsupported unit provided. please use M, KM, FT, MI");
    const METERS: [(&str, f64); 4] = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let found = METERS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, meters)| *meters).ok_or(UNSUPPORTED)
}

/// A place from two arguments.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, CmdError> {
    let longitude = parse_f64(longitude).ok_or(CmdError::NotAFloat)?;
    let latitude = parse_f64(latitude).ok_or(CmdError::NotAFloat)?;
    Position::new(longitude, latitude).ok_or_else(|| {
        CmdError::owned(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// A distance, with four digits behind the point in both protocols.
fn write_distance(writer: &mut Writer<'_>, distance: f64) {
    let ten_thousandths = (distance * 10_000.0).round();
    let digits = format!("{:.4}", ten_thousandths / 10_000.0);
    writer.bulk(digits.as_bytes());
}

/// Longitude and latitude, or nothing.
fn write_position(writer: &mut Writer<'_>, position: Option<Position>) {
    match position {
        Some(Position { longitude, latitude }) => {
            writer.array(2);
            writer.double(longitude);
            writer.double(latitude);
        }
        None => writer.null_array(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Output, Proto};

    fn written(proto: Proto, write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut out = Output::default();
        write(&mut out.writer(proto));
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = out.slices(&mut slices);
        String::from_utf8(slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()).expect("digits")
    }

    #[test]
    fn digits_are_those_of_redis() {
        assert_eq!(
            written(Proto::Resp2, |writer| write_distance(writer, 166274.15156)),
            "$11\r\n166274.1516\r\n"
        );
        assert_eq!(written(Proto::Resp3, |writer| write_distance(writer, 0.0)), "$6\r\n0.0000\r\n");
    }

    #[test]
    fn units_have_four_names() {
        assert_eq!(unit_m(b"KM"), Ok(1000.0));
        assert!(unit_m(b"nm").is_err() && unit_m(b"").is_err());
    }

    #[test]
    fn places_off_the_grid_are_named() {
        let refused = position(b"200", b"-inf").expect_err("outside");
        assert_eq!(refused.line().as_ref(), b"ERR invalid longitude,latitude pair 200.000000,-inf");
        assert_eq!(position(b"x", b"200"), Err(CmdError::NotAFloat));
    }
}
