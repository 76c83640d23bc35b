//! Members near a place.
//!
//! ```text
//!   NW   N   NE      Cells about as large as the shape: the one with the center and its eight neighbours hold
//!   W  center E      everything in it. Those that the shape's bounding box does not reach are left out. Each cell is
//!   SW   S   SE      a range of scores; of its members, those within the shape are found.
//! ```
//!
//! Cells are read in the order center, N, S, E, W, NE, NW, SE, SW, and each from its lowest score: that is the order of
//! results that are not sorted, the same as in Redis.

use smallvec::SmallVec;

use super::cell::Cell;
use super::{EARTH_RADIUS_M, Position, SCORE_BITS};
use crate::ds::listpack::Element;
use crate::value::zset::{ScoreRange, ZSet};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub center: Position,
    pub outline: Outline,
    /// Meters in one of the units that the outline is given in.
    pub unit_m: f64,
}

/// Form and size, not negative.
#[derive(Clone, Copy, Debug)]
pub enum Outline {
    Circle {
        radius: f64,
    },
    /// Its sides lie along parallels and meridians.
    Rectangle {
        width: f64,
        height: f64,
    },
}

/// A member within a shape.
#[derive(Clone, Copy)]
pub struct Found<'z> {
    pub member: Element<'z>,
    pub score: f64,
    pub position: Position,
    /// From the center, in meters.
    pub distance_m: f64,
}

/// West, south, east and north end, in degrees; not bound to the grid.
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Shape {
    /// The distance of a place from the center, in meters, if it lies in the shape.
    pub fn distance_m(&self, place: Position) -> Option<f64> {
        match self.outline {
            Outline::Circle { radius } => {
                let distance_m = self.center.distance_m(place);
                (distance_m <= radius * self.unit_m).then_some(distance_m)
            }
            Outline::Rectangle { width, height } => {
                let is_inside = self.center.distance_north_m(place) <= height * self.unit_m / 2.0
                    && Position { longitude: self.center.longitude, ..place }.distance_m(place)
                        <= width * self.unit_m / 2.0;
                is_inside.then(|| self.center.distance_m(place))
            }
        }
    }

    /// Half of width and height, in units.
    fn halves(&self) -> (f64, f64) {
        match self.outline {
            Outline::Circle { radius } => (radius, radius),
            Outline::Rectangle { width, height } => (width / 2.0, height / 2.0),
        }
    }

    /// A box of degrees around it. Its width is that on the side which is nearer to a pole.
    fn bounds(&self) -> Bounds {
        let (width, height) = self.halves();
        let Position { longitude, latitude } = self.center;
        let north = degrees(height * self.unit_m / EARTH_RADIUS_M);
        let parallel = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(width * self.unit_m / EARTH_RADIUS_M / parallel.to_radians().cos());
        Bounds {
            west: longitude - east,
            south: latitude - north,
            east: longitude + east,
            north: latitude + north,
        }
    }

    /// How fine the grid may be so that nine cells cover the shape.
    fn bits(&self) -> u32 {
        /// Half the circumference on a Mercator map, in meters.
        const MERCATOR_MAX_M: f64 = 20_037_726.37;
        let reach = match self.outline {
            Outline::Circle { radius } => radius,
            Outline::Rectangle { .. } => {
                let (width, height) = self.halves();
                (width * width + height * height).sqrt()
            }
        };
        let mut reach_m = reach * self.unit_m;
        if reach_m == 0.0 {
            return SCORE_BITS;
        }
        let mut bits = -1;
        while reach_m < MERCATOR_MAX_M {
            reach_m *= 2.0;
            bits += 1;
        }
        // Cells get narrower towards the poles.
        let latitude = self.center.latitude.abs();
        bits -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        bits.clamp(1, SCORE_BITS as i32) as u32
    }

    /// The cells that hold everything in the shape, in the order in which they are read.
    pub fn cells(&self) -> SmallVec<[Cell; 9]> {
        const NEIGHBOURS: [(i32, i32); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let bounds = self.bounds();
        let mut bits = self.bits();
        if bits > 1 && !is_covered(Cell::at(self.center, bits), &bounds) {
            bits -= 1;
        }
        let center = Cell::at(self.center, bits);
        let area = center.area();
        // On a grid of two by two cells a neighbour lies on both sides.
        let is_fine = bits > 1;
        let is_needed = |(east, north): (i32, i32)| {
            !is_fine
                || !(north < 0 && area.latitude.start < bounds.south
                    || north > 0 && area.latitude.end > bounds.north
                    || east < 0 && area.longitude.start < bounds.west
                    || east > 0 && area.longitude.end > bounds.east)
        };
        let mut cells = SmallVec::new();
        for place in NEIGHBOURS.into_iter().filter(|&place| is_needed(place)) {
            let cell = center.neighbour(place.0, place.1);
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }

    /// The members within the shape, at most `limit` of them.
    pub fn members<'z>(&self, zset: &'z ZSet, limit: usize) -> Vec<Found<'z>> {
        let mut found = Vec::new();
        for cell in self.cells() {
            let scores = cell.scores();
            let range = ScoreRange {
                min: scores.start as f64,
                max: scores.end as f64,
                excludes_min: false,
                excludes_max: true,
            };
            for (member, score) in zset.items(zset.ranks_by_score(&range), false) {
                if found.len() >= limit {
                    return found;
                }
                let position = Position::from_score(score);
                if let Some(distance_m) = self.distance_m(position) {
                    found.push(Found { member, score, position, distance_m });
                }
            }
        }
        found
    }
}

/// Divides as Redis does: `to_degrees` multiplies, and can differ in the last bit.
fn degrees(radians: f64) -> f64 {
    radians / 1_f64.to_radians()
}

/// Whether the cell and its neighbours reach to the bounds on every side. Behind an end of the grid they do not.
fn is_covered(center: Cell, bounds: &Bounds) -> bool {
    let area = |east, north| center.neighbour(east, north).area();
    !(area(0, 1).latitude.end < bounds.north
        || area(0, -1).latitude.start > bounds.south
        || area(1, 0).longitude.end < bounds.east
        || area(-1, 0).longitude.start > bounds.west)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::zset::Limits;

    const LIMITS: Limits = Limits { entries: 128, value: 64 };

    fn place(longitude: f64, latitude: f64) -> Position {
        Position::new(longitude, latitude).expect("on the grid")
    }

    /// A grid of members, every 10 degrees.
    fn world() -> ZSet {
        let mut zset = ZSet::default();
        for longitude in (-180..180).step_by(10) {
            for latitude in (-80..=80).step_by(10) {
                let name = format!("{longitude},{latitude}");
                zset.set(name.as_bytes(), place(f64::from(longitude), f64::from(latitude)).score(), LIMITS);
            }
        }
        zset
    }

    #[test]
    fn a_search_finds_what_looking_at_every_member_finds() {
        let zset = world();
        for (longitude, latitude) in [(0.0, 0.0), (13.4, 52.5), (-77.0, -12.0), (100.0, 45.0), (-100.0, 60.0)]
        {
            for size in [0.0, 1.0, 500.0, 2000.0, 3000.0] {
                let circle = Outline::Circle { radius: size };
                let rectangle = Outline::Rectangle { width: size, height: 2.0 * size };
                for outline in [circle, rectangle] {
                    let shape = Shape { center: place(longitude, latitude), outline, unit_m: 1000.0 };
                    let within = |&(_, score): &(Element<'_>, f64)| {
                        shape.distance_m(Position::from_score(score)).is_some()
                    };
                    let expected = zset.iter().filter(within).count();
                    assert_eq!(shape.members(&zset, usize::MAX).len(), expected, "{shape:?}");
                }
            }
        }
    }

    #[test]
    fn a_limit_ends_the_search() {
        let shape = Shape { center: place(0.0, 0.0), outline: Outline::Circle { radius: 1e8 }, unit_m: 1.0 };
        assert_eq!(shape.members(&world(), usize::MAX).len(), 36 * 17);
        assert_eq!(shape.members(&world(), 3).len(), 3);
    }

    #[test]
    fn cells_come_once_and_no_more_than_needed() {
        let shape =
            |radius, unit_m| Shape { center: place(13.4, 52.5), outline: Outline::Circle { radius }, unit_m };
        assert_eq!(shape(f64::INFINITY, 1.0).cells().len(), 4);
        assert_eq!(shape(1e300, 1609.34).cells().len(), 4);
        assert_eq!(shape(0.0, 1.0).cells().len(), 1);
        assert!(shape(100.0, 1000.0).cells().len() <= 9);
    }
}
