//! What a search asks for: the arguments of all six search commands.
//!
//! ```text
//! GEOSEARCH  key      FROMMEMBER m | FROMLONLAT x y   BYRADIUS r unit | BYBOX w h unit   options…
//! GEORADIUS  key      x y                             r unit                             options…
//! ```
//!
//! GEOSEARCH lets its words come in any order, and the older forms have theirs in front; behind that everything is the
//! same. As in Redis, arguments are read with the source at hand: without one a member's place is not looked for, and
//! neither is the radius of GEORADIUSBYMEMBER.

use super::look::find;
use super::{position, unit_m};
use crate::base::float::parse_f64;
use crate::dispatch::options::int;
use crate::dispatch::{CmdError, Request};
use crate::resp::Cursor;
use crate::value::geo::Position;
use crate::value::geo::search::{Outline, Shape};
use crate::value::zset::ZSet;

/// Which command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GEORADIUS
    Coordinates,
    /// GEORADIUSBYMEMBER
    Member,
    /// GEOSEARCH
    Search,
    /// GEOSEARCHSTORE
    SearchStore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Nearest,
    Farthest,
}

/// What becomes the score of a stored member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredScore {
    /// What it was: the place.
    Place,
    /// The distance from the center, in the unit of the search.
    Distance,
}

/// The options behind the shape.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    pub order: Option<Order>,
    /// How many results at most.
    pub count: Option<usize>,
    /// The first that are found will do, near or not.
    pub any: bool,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_position: bool,
    /// Where GEORADIUS stores; GEOSEARCHSTORE names its destination first.
    pub destination: Option<&'a [u8]>,
    pub stored_distance: bool,
}

/// A search.
pub struct Query<'a> {
    /// `None` if the source is missing and the arguments don't tell.
    pub shape: Option<Shape>,
    pub options: Options<'a>,
}

/// A center and an outline with its unit, as far as they are known.
#[derive(Default)]
struct Parts {
    center: Option<Position>,
    from_member: bool,
    from_position: bool,
    circle: Option<(Outline, f64)>,
    rectangle: Option<(Outline, f64)>,
}

const NO_MEMBER: CmdError = CmdError::text("ERR could not decode requested zset member");

impl<'a> Query<'a> {
    /// Reads the arguments of a search in `zset`. `can_store`: whether GEORADIUS may have STORE.
    pub fn parse(
        req: &Request<'a>,
        form: Form,
        can_store: bool,
        zset: Option<&ZSet>,
    ) -> Result<Query<'a>, CmdError> {
        let mut parts = Parts::default();
        let mut cursor = match form {
            Form::Coordinates => {
                parts.center = Some(position(req.arg(2), req.arg(3))?);
                parts.circle = Some(circle(req.arg(4), req.arg(5))?);
                req.args.cursor(6)
            }
            Form::Member => {
                if zset.is_some() {
                    parts.center = Some(find(zset, req.arg(2)).ok_or(NO_MEMBER)?);
                    parts.circle = Some(circle(req.arg(3), req.arg(4))?);
                }
                req.args.cursor(5)
            }
            Form::Search => req.args.cursor(2),
            Form::SearchStore => req.args.cursor(3),
        };
        let is_search = matches!(form, Form::Search | Form::SearchStore);
        let mut options = Options::default();
        while cursor.remaining() > 0 {
            let is_taken = options.take(&mut cursor)?
                || is_search && parts.take(&mut cursor, zset)?
                || is_search && form == Form::SearchStore && options.take_stored_distance(&mut cursor)
                || !is_search && can_store && options.take_destination(&mut cursor);
            if !is_taken {
                return Err(CmdError::Syntax);
            }
        }
        options.check(form)?;
        if is_search {
            parts.check(req.arg(0))?;
        }
        if options.any && options.count.is_none() {
            return Err(CmdError::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(Query { shape: parts.shape(), options })
    }
}

impl<'a> Options<'a> {
    /// Takes an option that all forms have, if one is next.
    fn take(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, CmdError> {
        if cursor.take_word("WITHDIST") {
            self.with_distance = true;
        } else if cursor.take_word("WITHHASH") {
            self.with_hash = true;
        } else if cursor.take_word("WITHCOORD") {
            self.with_position = true;
        } else if cursor.take_word("ANY") {
            self.any = true;
        } else if cursor.take_word("ASC") {
            self.order = Some(Order::Nearest);
        } else if cursor.take_word("DESC") {
            self.order = Some(Order::Farthest);
        } else if cursor.remaining() > 1 && cursor.take_word("COUNT") {
            let count = int(cursor.next().unwrap_or_default())?;
            if count <= 0 {
                return Err(CmdError::text("ERR COUNT must be > 0"));
            }
            self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn take_stored_distance(&mut self, cursor: &mut Cursor<'_>) -> bool {
        let is_taken = cursor.take_word("STOREDIST");
        self.stored_distance |= is_taken;
        is_taken
    }

    /// STORE or STOREDIST with a key; the last one counts.
    fn take_destination(&mut self, cursor: &mut Cursor<'a>) -> bool {
        if cursor.remaining() < 2 {
            return false;
        }
        let stored_distance = cursor.take_word("STOREDIST");
        if !stored_distance && !cursor.take_word("STORE") {
            return false;
        }
        self.stored_distance = stored_distance;
        self.destination = cursor.next();
        true
    }

    /// Results that are stored have no more than a score.
    fn check(&self, form: Form) -> Result<(), CmdError> {
        let is_stored = form == Form::SearchStore || self.destination.is_some();
        if !is_stored || !(self.with_distance || self.with_hash || self.with_position) {
            return Ok(());
        }
        let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
        Err(CmdError::owned(format!(
            "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )))
    }

    pub fn stored_score(&self) -> StoredScore {
        if self.stored_distance { StoredScore::Distance } else { StoredScore::Place }
    }
}

impl Parts {
    /// Takes a word of GEOSEARCH about the shape, if one is next. A second center of the other kind, or outline, is
    /// none of these words any more.
    fn take(&mut self, cursor: &mut Cursor<'_>, zset: Option<&ZSet>) -> Result<bool, CmdError> {
        fn next<'a>(cursor: &mut Cursor<'a>) -> &'a [u8] {
            cursor.next().unwrap_or_default()
        }
        if cursor.remaining() > 1 && !self.from_position && cursor.take_word("FROMMEMBER") {
            let member = next(cursor);
            if zset.is_some() {
                self.center = Some(find(zset, member).ok_or(NO_MEMBER)?);
            }
            self.from_member = true;
        } else if cursor.remaining() > 2 && !self.from_member && cursor.take_word("FROMLONLAT") {
            self.center = Some(position(next(cursor), next(cursor))?);
            self.from_position = true;
        } else if cursor.remaining() > 2 && self.rectangle.is_none() && cursor.take_word("BYRADIUS") {
            self.circle = Some(circle(next(cursor), next(cursor))?);
        } else if cursor.remaining() > 3 && self.circle.is_none() && cursor.take_word("BYBOX") {
            self.rectangle = Some(rectangle(next(cursor), next(cursor), next(cursor))?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether GEOSEARCH, as the client wrote its name, was told enough.
    fn check(&self, command: &[u8]) -> Result<(), CmdError> {
        if !self.from_member && !self.from_position {
            return Err(CmdError::quoting(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ",
                command,
                "",
            ));
        }
        if self.circle.is_none() && self.rectangle.is_none() {
            return Err(CmdError::quoting(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for ",
                command,
                "",
            ));
        }
        Ok(())
    }

    fn shape(&self) -> Option<Shape> {
        let (outline, unit_m) = self.circle.or(self.rectangle)?;
        Some(Shape { center: self.center?, outline, unit_m })
    }
}

fn circle(radius: &[u8], unit: &[u8]) -> Result<(Outline, f64), CmdError> {
    let radius = parse_f64(radius).ok_or(CmdError::text("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(CmdError::text("ERR radius cannot be negative"));
    }
    Ok((Outline::Circle { radius }, unit_m(unit)?))
}

fn rectangle(width: &[u8], height: &[u8], unit: &[u8]) -> Result<(Outline, f64), CmdError> {
    let width = parse_f64(width).ok_or(CmdError::text("ERR need numeric width"))?;
    let height = parse_f64(height).ok_or(CmdError::text("ERR need numeric height"))?;
    if height < 0.0 || width < 0.0 {
        return Err(CmdError::text("ERR height or width cannot be negative"));
    }
    Ok((Outline::Rectangle { width, height }, unit_m(unit)?))
}
