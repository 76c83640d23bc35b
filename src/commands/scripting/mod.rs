//! Scripts and functions: EVAL and its kin, SCRIPT; FCALL and its kin, FUNCTION.

pub mod eval;
pub mod fcall;
pub mod function;
pub mod script;

use std::sync::atomic::Ordering;

use crate::dispatch::CmdError;
use crate::script::Scripts;

/// Asks what runs to end, if it has not written: functions, or else scripts.
fn kill(scripts: &Scripts, of_functions: bool) -> Result<(), CmdError> {
    const NONE: CmdError = CmdError::text("NOTBUSY No scripts in execution right now.");
    const WRITTEN: CmdError = CmdError::text(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
         script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
    );
    const A_FUNCTION: CmdError = CmdError::text(
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
    );
    const A_SCRIPT: CmdError = CmdError::text(
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    );
    let running = scripts.running();
    let mut meant = running.iter().filter(|one| one.function.is_some() == of_functions).peekable();
    if meant.peek().is_none() {
        return Err(match running.is_empty() {
            true => NONE,
            false if of_functions => A_SCRIPT,
            false => A_FUNCTION,
        });
    }
    let killable = meant.filter(|one| !one.has_written.load(Ordering::Relaxed));
    let killed = killable.map(|one| one.is_killed.store(true, Ordering::Relaxed)).count();
    if killed == 0 { Err(WRITTEN) } else { Ok(()) }
}
