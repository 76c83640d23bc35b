//! Places on Earth as scores of a sorted set.
//!
//! A position becomes a grid cell: longitude and latitude are each divided into 2^26 steps, and the bits of the two
//! step numbers alternate, longitude first. The 52 bits are the score, which a double holds exactly. Near places share
//! the upper bits, as a rule, so a cell of a coarser grid is a range of scores ([`cell`]), and a search reads a
//! handful of ranges ([`search`]).
//!
//! ```text
//! longitude 13.361389  → step 36046025  0b10_0010_…
//! latitude  38.115556  → step 48589137  0b10_1110_…
//! score                  11 00 … = 3479099956230698
//! ```
//!
//! Longitude reaches from -180 to 180 degrees; latitude, as on a square Mercator map, from -85.05112878 to
//! 85.05112878. Distances are great circles on a sphere (the haversine formula).

pub mod cell;
pub mod search;

use cell::Cell;

/// East and west end of the grid, in degrees.
pub const LONGITUDE_MAX: f64 = 180.0;
/// North and south end of the grid, in degrees: where a Mercator map is square.
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// Radius of the sphere, in meters: the one that Redis computes with.
pub const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

/// Characters of a geohash.
pub const GEOHASH_LEN: usize = 11;
/// Bits of each coordinate in a score.
const SCORE_BITS: u32 = 26;

/// Longitude and latitude in degrees, within the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

impl Position {
    /// `None` outside the grid.
    pub fn new(longitude: f64, latitude: f64) -> Option<Position> {
        let is_inside = longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX;
        is_inside.then_some(Position { longitude, latitude })
    }

    /// The middle of the cell that a score stands for. A score that is no place gives some place: the fraction is cut
    /// off, and what lies outside the grid moves to its end.
    pub fn from_score(score: f64) -> Position {
        Cell::from_hash(hash_of(score), SCORE_BITS).middle()
    }

    /// The score of a member at this place: 52 bits, or 53 on the very east or north end of the grid.
    pub fn score(self) -> f64 {
        Cell::at(self, SCORE_BITS).hash() as f64
    }

    /// The public geohash: the same alternation over latitudes up to 90 degrees, in base 32. The last of its characters
    /// would need 55 bits and is always 0.
    pub fn geohash(self) -> [u8; GEOHASH_LEN] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let hash = Cell::within(self, 90.0, SCORE_BITS).hash();
        std::array::from_fn(|index| {
            let below = (2 * SCORE_BITS).checked_sub(5 * (index as u32 + 1));
            let digit = below.map_or(0, |below| hash >> below & 31);
            ALPHABET[digit as usize]
        })
    }

    /// The great circle between two places, in meters.
    pub fn distance_m(self, other: Position) -> f64 {
        let half_chord_east = ((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0).sin();
        if half_chord_east == 0.0 {
            return self.distance_north_m(other);
        }
        let (one, two) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_chord_north = ((two - one) / 2.0).sin();
        let squared =
            half_chord_north * half_chord_north + one.cos() * two.cos() * half_chord_east * half_chord_east;
        2.0 * EARTH_RADIUS_M * squared.sqrt().asin()
    }

    /// The distance between two parallels, in meters.
    pub fn distance_north_m(self, other: Position) -> f64 {
        EARTH_RADIUS_M * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }
}

/// The whole number in a score. Scores outside the range of a hash come from ZADD; they become what Redis makes of them
/// on x86-64: a negative one its two's complement, one that is far too large or too small a power of two or 0.
fn hash_of(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    const OUT_OF_RANGE: u64 = 1 << 63;
    let signed = |number: f64| {
        if (-HALF..HALF).contains(&number) { (number as i64) as u64 } else { OUT_OF_RANGE }
    };
    if score >= HALF { signed(score - HALF) ^ OUT_OF_RANGE } else { signed(score) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(longitude: f64, latitude: f64) -> Position {
        Position::new(longitude, latitude).expect("on the grid")
    }

    #[test]
    fn scores_and_geohashes_of_known_places() {
        let palermo = place(13.361389, 38.115556);
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        assert_eq!(&Position::from_score(palermo.score()).geohash(), b"sqc8b49rny0");
        let catania = place(15.087269, 37.502669);
        assert_eq!(catania.score(), 3_479_447_370_796_909.0);
        assert_eq!(&Position::from_score(catania.score()).geohash(), b"sqdtr74hyu0");
    }

    #[test]
    fn a_score_stands_for_the_middle_of_its_cell() {
        for (longitude, latitude) in [(0.0, 0.0), (-180.0, -85.05112878), (179.99, 85.0), (-0.1, 51.5)] {
            let there = place(longitude, latitude);
            let back = Position::from_score(there.score());
            assert!((back.longitude - longitude).abs() < 4e-6 && (back.latitude - latitude).abs() < 2e-6);
            assert_eq!(back.score(), there.score());
        }
    }

    #[test]
    fn the_grid_has_ends() {
        assert!(Position::new(180.1, 0.0).is_none() && Position::new(0.0, -85.06).is_none());
        assert!(Position::new(f64::NAN, 0.0).is_none() && Position::new(0.0, f64::INFINITY).is_none());
        assert!(Position::new(180.0, 85.05112878).is_some());
    }

    #[test]
    fn scores_that_are_no_places_give_one_all_the_same() {
        for score in [-1.0, 1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY, 1e19, 0.5] {
            let place = Position::from_score(score);
            assert!(Position::new(place.longitude, place.latitude).is_some(), "{score}");
        }
    }

    #[test]
    fn distances_are_great_circles() {
        let distance = place(13.361389, 38.115556).distance_m(place(15.087269, 37.502669));
        assert!((distance - 166_274.0).abs() < 2.0, "{distance}");
        let quarter = place(0.0, 0.0).distance_m(place(90.0, 0.0));
        assert!((quarter - EARTH_RADIUS_M * std::f64::consts::FRAC_PI_2).abs() < 1e-6);
        let north = place(7.0, 10.0).distance_m(place(7.0, 11.0));
        assert_eq!(north, place(7.0, 10.0).distance_north_m(place(0.0, 11.0)));
    }
}
