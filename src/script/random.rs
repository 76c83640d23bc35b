//! Chance for scripts: after a `math.randomseed` the numbers that Redis has.
//!
//! The generator is the linear congruence of `drand48` (48 bits, multiplier 0x5DEECE66D, increment 11), of which 31 bits are
//! given out. It begins somewhere, and goes on from script to script: as effects are journalled, not scripts, nothing depends on
//! two runs of a script being alike.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, Table, Value};

use super::lib::{Arguments, Results, add, one};

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 11;
const MASK: u64 = (1 << 48) - 1;
/// What is given out is divided by this.
const MAX: i64 = 0x7fff_ffff;

/// The state of the generator.
pub struct Random(Cell<u64>);

impl Random {
    pub fn new(seed: u32) -> Random {
        let random = Random(Cell::new(0));
        random.seed(seed);
        random
    }

    /// Begins anew.
    pub fn seed(&self, seed: u32) {
        self.0.set(u64::from(seed) << 16 | 0x330e);
    }

    /// A number in `0.0..1.0`.
    pub fn next(&self) -> f64 {
        let next = self.0.get().wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        self.0.set(next);
        let bits = (next >> 17) as i64;
        (bits % MAX) as f64 / MAX as f64
    }

    /// Adds `random` and `randomseed` to a table.
    pub fn add_to(self, lua: &Lua, table: &Table) -> mlua::Result<()> {
        let source = Rc::new(self);
        let random = Rc::clone(&source);
        add(lua, table, "random", move |_, args| random.draw(args))?;
        add(lua, table, "randomseed", move |_, args| {
            source.seed(args.int(0)?.cast_unsigned());
            Ok(mlua::MultiValue::new())
        })
    }

    /// `math.random([m [, n]])`
    fn draw(&self, args: &Arguments<'_>) -> Results {
        let drawn = self.next();
        let (low, high) = match args.len() {
            0 => return one(Value::Number(drawn)),
            1 => (1, args.int(0)?),
            2 => (args.int(0)?, args.int(1)?),
            _ => return Err("wrong number of arguments".into()),
        };
        if low > high {
            return Err(args.bad(args.len() - 1, "interval is empty"));
        }
        let numbers = f64::from(high.wrapping_sub(low).wrapping_add(1));
        one(Value::Number((drawn * numbers).floor() + f64::from(low)))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_are_those_of_redis() {
        // What Redis 8.0 answers after `math.randomseed` to `math.random(1000000)`, and to the second of two.
        let random = Random::new(1);
        let draw = || (random.next() * 1e6).floor() as i64 + 1;
        assert_eq!((draw(), draw()), (41_631, 454_493));
        random.seed(0);
        assert_eq!((draw(), draw()), (170_829, 749_902));
    }
}
