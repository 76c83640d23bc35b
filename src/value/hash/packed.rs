//! The two packed forms of a hash: one pack of pairs, or of triples once a field had a deadline. Nobody walks a hash
//! backward, so they do without back lengths; Redis's listpacks are made of them for files ([`super::raw`]).
//!
//! Triples are ascending by deadline, and those without one (written as 0) come last, so the next field to expire is
//! always the first. A field that is given a deadline moves before those that expire at the same time or later; one that
//! loses it moves to the end.

use super::{FieldTtl, Iter, is_live};
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::ds::listpack::{Digits, Element, Encoded, ForwardPack, Position};

/// Bytes that heads and tails of the entries of a field take at most.
const OVERHEAD_MAX_BYTES: usize = 40;

/// See the module's head.
#[derive(Clone, Default)]
pub(super) struct Packed {
    list: ForwardPack,
    /// Triples instead of pairs.
    has_deadlines: bool,
}

/// Zero stands for no deadline.
#[inline]
fn deadline_of(element: Element<'_>) -> Option<u64> {
    element.int().and_then(|number| u64::try_from(number).ok()).filter(|&number| number != 0)
}

impl Packed {
    /// Sound pairs or triples.
    pub(super) fn new(list: ForwardPack, has_deadlines: bool) -> Packed {
        Packed { list, has_deadlines }
    }

    pub(super) fn has_deadlines(&self) -> bool {
        self.has_deadlines
    }

    #[inline]
    fn stride(&self) -> usize {
        if self.has_deadlines { 3 } else { 2 }
    }

    #[inline]
    fn find<'n>(&self, name: impl Into<Encoded<'n>>) -> Option<Position> {
        self.list.find(&name.into(), self.stride() - 1)
    }

    /// The value behind the name at `position`.
    #[inline]
    fn value_at(&self, position: Position) -> Option<Position> {
        self.list.next(position)
    }

    #[inline]
    fn deadline_at(&self, position: Position) -> Option<u64> {
        if !self.has_deadlines {
            return None;
        }
        let value = self.list.next(position)?;
        deadline_of(self.list.at(self.list.next(value)?))
    }

    #[inline]
    pub(super) fn get(&self, name: &[u8], now: UnixMs) -> Option<Element<'_>> {
        let position = self.find(name).filter(|&position| is_live(self.deadline_at(position), now))?;
        Some(self.list.at(self.value_at(position)?))
    }

    pub(super) fn deadline(&self, name: &[u8], now: UnixMs) -> Option<Option<u64>> {
        let deadline = self.deadline_at(self.find(name)?);
        is_live(deadline, now).then_some(deadline)
    }

    pub(super) fn fits(&self, extra: usize) -> bool {
        self.list.fits(extra.saturating_add(OVERHEAD_MAX_BYTES))
    }

    /// Whether the field is new.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8], ttl: FieldTtl, now: UnixMs) -> bool {
        if matches!(ttl, FieldTtl::At(_)) {
            self.allow_deadlines();
        }
        let (name, value) = (Encoded::from(name), Encoded::from(value));
        let found = self.find(name);
        let old = found.and_then(|position| self.deadline_at(position));
        let was_there = found.is_some() && is_live(old, now);
        let deadline = match ttl {
            FieldTtl::Keep if was_there => old,
            FieldTtl::At(when) => Some(when.0),
            FieldTtl::Keep | FieldTtl::Clear => None,
        };
        match found {
            Some(position) if deadline == old && !matches!(ttl, FieldTtl::At(_)) => {
                if let Some(place) = self.value_at(position) {
                    self.list.replace(place, &value);
                }
            }
            Some(position) => {
                self.list.remove_run(position, self.stride());
                self.insert(name, value, deadline);
            }
            None => self.insert(name, value, deadline),
        }
        !was_there
    }

    /// Whether the field was there.
    pub(super) fn remove(&mut self, name: &[u8], now: UnixMs) -> bool {
        let Some(position) = self.find(name) else { return false };
        let was_live = is_live(self.deadline_at(position), now);
        self.list.remove_run(position, self.stride());
        was_live
    }

    /// Turns pairs into triples.
    pub(super) fn allow_deadlines(&mut self) {
        if self.has_deadlines {
            return;
        }
        let mut triples = ForwardPack::new();
        self.for_each(|name, value, _| {
            let added = [Encoded::from(name), Encoded::from(value), Encoded::from(0)];
            triples.insert(None, &added);
        });
        *self = Packed { list: triples, has_deadlines: true };
    }

    /// Whether the field is there.
    pub(super) fn set_deadline(&mut self, name: &[u8], deadline: Option<u64>, now: UnixMs) -> bool {
        self.allow_deadlines();
        let Some(position) = self.find(name) else { return false };
        let old = self.deadline_at(position);
        if !is_live(old, now) {
            return false;
        }
        if (old.is_some() || deadline.is_some())
            && let Some(value) = self.value_at(position).map(|place| self.list.at(place).to_vec())
        {
            self.list.remove_run(position, self.stride());
            self.insert(name.into(), Encoded::from(&value[..]), deadline);
        }
        true
    }

    /// Inserts a field that is not there, where its deadline puts it.
    fn insert(&mut self, name: Encoded<'_>, value: Encoded<'_>, deadline: Option<u64>) {
        if !self.has_deadlines {
            self.list.insert(None, &[name, value]);
            return;
        }
        let place = deadline.and_then(|deadline| self.first_from(deadline));
        // Deadlines end at 2⁴⁶ ms: the commands refuse later ones.
        let number = deadline.map_or(0, |when| i64::try_from(when).unwrap_or(i64::MAX));
        let added = [name, value, Encoded::from(number)];
        self.list.insert(place, &added);
    }

    /// The first field that expires then or later, or never.
    fn first_from(&self, deadline: u64) -> Option<Position> {
        let mut next = self.list.first();
        while let Some(position) = next {
            if self.deadline_at(position).is_none_or(|other| other >= deadline) {
                return Some(position);
            }
            next = self.value_at(position).and_then(|value| self.list.next(value));
            next = next.and_then(|deadline| self.list.next(deadline));
        }
        None
    }

    pub(super) fn iter(&self, now: UnixMs) -> Iter<'_> {
        Iter::packed(self.list.iter(), self.has_deadlines, now)
    }

    /// Every field with value and deadline, expired ones too.
    pub(super) fn for_each(&self, mut visit: impl FnMut(Element<'_>, Element<'_>, Option<u64>)) {
        let mut elements = self.list.iter();
        while let (Some(name), Some(value)) = (elements.next(), elements.next()) {
            let deadline = if self.has_deadlines { elements.next().and_then(deadline_of) } else { None };
            visit(name, value, deadline);
        }
    }

    pub(super) fn random(&self, rng: &mut Rng, now: UnixMs) -> Option<(Element<'_>, Element<'_>)> {
        let live = self.iter(now).count() as u64;
        (live > 0).then(|| rng.below(live)).and_then(|index| self.iter(now).nth(index as usize))
    }

    pub(super) fn len(&self) -> usize {
        self.list.len() / self.stride()
    }

    pub(super) fn encoding(&self) -> &'static str {
        if self.has_deadlines { "listpackex" } else { "listpack" }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.list.heap_bytes()
    }

    pub(super) fn pack(&self) -> &ForwardPack {
        &self.list
    }

    #[inline]
    pub(super) fn due(&self) -> Option<u64> {
        if !self.has_deadlines {
            return None;
        }
        self.list.first().and_then(|first| self.deadline_at(first))
    }

    pub(super) fn expire(&mut self, now_ms: u64, most: usize, tell: &mut dyn FnMut(&[u8])) {
        for _ in 0..most {
            let Some(first) = self.list.first() else { return };
            if is_live(self.deadline_at(first), UnixMs(now_ms)) {
                return;
            }
            tell(self.list.at(first).bytes(&mut Digits::new()));
            self.list.remove_run(first, self.stride());
        }
    }
}
