//! Cells of the grid at any coarseness, and their ranges of scores.
//!
//! ```text
//! bits 1     00 | 10        a cell has `bits` bits of each coordinate; two more bits for each of its four quarters.
//!            01 | 11        Its hash, moved up to 52 bits, is the first score in it; the next cell's first score
//!                           is behind its last.
//! ```

use std::ops::Range;

use super::{LATITUDE_MAX, LONGITUDE_MAX, Position, SCORE_BITS};

/// One cell: how many steps east of the west end and north of the south end, where there are 2^bits steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    east: u32,
    north: u32,
    /// From 1 to 26.
    bits: u32,
}

/// What a cell covers, in degrees.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    pub longitude: Range<f64>,
    pub latitude: Range<f64>,
}

impl Cell {
    /// The cell that a place lies in. The east and north ends of the grid lie one step outside.
    pub fn at(position: Position, bits: u32) -> Cell {
        Cell::within(position, LATITUDE_MAX, bits)
    }

    /// As [`Cell::at`] on a grid with other ends in north and south.
    pub(super) fn within(position: Position, latitude_max: f64, bits: u32) -> Cell {
        let steps = |degrees: f64, max: f64| ((degrees + max) / (max + max) * (1_u64 << bits) as f64) as u32;
        Cell {
            east: steps(position.longitude, LONGITUDE_MAX),
            north: steps(position.latitude, latitude_max),
            bits,
        }
    }

    /// The cell with this hash.
    pub(super) fn from_hash(hash: u64, bits: u32) -> Cell {
        Cell { east: squeezed(hash >> 1), north: squeezed(hash), bits }
    }

    /// The bits of both coordinates in turn, longitude first.
    pub(super) fn hash(self) -> u64 {
        spread(self.east) << 1 | spread(self.north)
    }

    /// What it covers.
    pub fn area(self) -> Area {
        let degrees = |step: u32, max: f64| {
            let part = |step: f64| -max + step / (1_u64 << self.bits) as f64 * (max + max);
            part(f64::from(step))..part(f64::from(step.wrapping_add(1)))
        };
        Area { longitude: degrees(self.east, LONGITUDE_MAX), latitude: degrees(self.north, LATITUDE_MAX) }
    }

    /// Its middle, moved onto the grid if it lies outside.
    pub(super) fn middle(self) -> Position {
        let middle = |range: Range<f64>, max: f64| ((range.start + range.end) / 2.0).clamp(-max, max);
        let area = self.area();
        Position {
            longitude: middle(area.longitude, LONGITUDE_MAX),
            latitude: middle(area.latitude, LATITUDE_MAX),
        }
    }

    /// The neighbour so many steps to the east and north; the grid closes behind each of its ends.
    pub fn neighbour(self, east: i32, north: i32) -> Cell {
        let mask = (1_u64 << self.bits) as u32 - 1;
        let moved = |from: u32, by: i32| if by == 0 { from } else { from.wrapping_add_signed(by) & mask };
        Cell { east: moved(self.east, east), north: moved(self.north, north), bits: self.bits }
    }

    /// The scores in it.
    pub fn scores(self) -> Range<u64> {
        let shift = 2 * (SCORE_BITS - self.bits);
        self.hash() << shift..(self.hash() + 1) << shift
    }
}

/// The bits of `number` at the even places.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & 0x5555_5555_5555_5555
}

/// The bits at the even places, side by side.
fn squeezed(hash: u64) -> u32 {
    let mut bits = hash & 0x5555_5555_5555_5555;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_alternate_and_come_apart_again() {
        assert_eq!(spread(0b1011), 0b100_0101);
        for number in [0, 1, 0x8000_0000, u32::MAX, 0x1234_5678] {
            assert_eq!(squeezed(spread(number)), number);
        }
        let cell = Cell { east: 0b10, north: 0b01, bits: 2 };
        assert_eq!(cell.hash(), 0b1001);
        assert_eq!(Cell::from_hash(0b1001, 2), cell);
    }

    #[test]
    fn the_grid_closes_at_its_ends() {
        let corner = Cell { east: 0, north: 3, bits: 2 };
        assert_eq!(corner.neighbour(-1, 1), Cell { east: 3, north: 0, bits: 2 });
        assert_eq!(corner.neighbour(1, -1), Cell { east: 1, north: 2, bits: 2 });
        let outside = Cell { east: 4, north: 0, bits: 2 };
        assert_eq!(outside.neighbour(0, 1), Cell { east: 4, north: 1, bits: 2 });
    }

    #[test]
    fn a_cell_is_a_range_of_scores() {
        let place = Position::new(13.361389, 38.115556).expect("on the grid");
        for bits in 1..=SCORE_BITS {
            let cell = Cell::at(place, bits);
            assert!(cell.scores().contains(&(place.score() as u64)), "{bits}");
            let area = cell.area();
            assert!(area.longitude.contains(&place.longitude) && area.latitude.contains(&place.latitude));
        }
        assert_eq!(Cell { east: 0, north: 0, bits: 26 }.scores(), 0..1);
    }
}
