//! Small tools that know nothing of Redis: clock, chance, numbers, globs.
