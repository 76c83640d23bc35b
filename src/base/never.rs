//! `never!`: a check on a state that our own logic rules out.
//!
//! A server must not die because one invariant of one command was wrong, and must not hide it
//! either. So a broken invariant stops a debug build (and with it every test), while a release build
//! writes an error line and goes on along the defensive branch that the caller has to provide.
//!
//! ```
//! # use ochre::never;
//! fn take(budget: &mut u64, cost: u64) {
//!     if never!(cost > *budget, "cost {cost} above budget {budget}") {
//!         *budget = 0;
//!         return;
//!     }
//!     *budget -= cost;
//! }
//! # let mut b = 3; take(&mut b, 2); assert_eq!(b, 1);
//! ```

/// Says that a condition never holds, and gives the condition back so that the caller can handle
/// the case anyway. The forms with a message alone mark a place that is never reached.
#[macro_export]
macro_rules! never {
    ($message:literal $(, $argument:expr)* $(,)?) => {
        $crate::base::never::broken(file!(), line!(), format_args!($message $(, $argument)*))
    };
    ($condition:expr, $message:literal $(, $argument:expr)* $(,)?) => {{
        let broken: bool = $condition;
        if broken {
            $crate::base::never::broken(file!(), line!(), format_args!($message $(, $argument)*));
        }
        broken
    }};
}

/// What `never!` calls when its condition holds: a panic in debug builds, an error line otherwise.
#[cold]
#[inline(never)]
pub fn broken(file: &str, line: u32, message: std::fmt::Arguments<'_>) {
    debug_assert!(false, "never: {message} ({file}:{line})");
    tracing::error!("Internal error, please report it: {message} ({file}:{line})");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_false_condition_passes_through() {
        assert!(!never!(1 > 2, "one is above {}", 2));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "never: three is odd")]
    fn a_true_condition_stops_a_debug_build() {
        let n = 3;
        never!(n % 2 == 1, "three is odd");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "never: not here 7")]
    fn a_bare_message_stops_a_debug_build() {
        never!("not here {}", 7);
    }
}
