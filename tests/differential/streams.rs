//! One mutated stream to both servers, cut at the same places; what they say until they close must be the same bytes.
//!
//! A client says that it sends nothing more, so both close: behind the error of a stream that can't be understood, or when all is
//! answered. The real server drops what it has not sent by then, so replies are fewer than it writes at once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use ochre::base::rng::Rng;

use super::mutated;
use super::wire::Wire;

/// Streams that find what those before have left.
pub const TOGETHER: u64 = 50;
/// How long a server may take until it closes.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many replies both gave, or how they differ.
pub fn compare(ours: SocketAddr, theirs: SocketAddr, seed: u64) -> Result<usize, String> {
    let mut rng = Rng::from_seed(seed);
    let mut stream = mutated::stream(&mut rng);
    // Redis looks for ends of lines as C does: once it has met a zero it waits for more.
    stream.retain(|&byte| byte != 0);
    let pieces = mutated::pieces(&mut rng, &stream);
    let (ours, theirs) = (play(ours, &pieces), play(theirs, &pieces));
    if ours != theirs {
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        return Err(format!("{}\nours:   {}\ntheirs: {}", shown(&stream), shown(&ours), shown(&theirs)));
    }
    let mut wire = Wire::over(std::io::Cursor::new(ours));
    let mut replies = 0;
    while !wire.is_at_end() {
        wire.read().map_err(|error| format!("{error} in what is heard of {}", stream.escape_ascii()))?;
        replies += 1;
    }
    Ok(replies)
}

fn play(addr: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    for piece in pieces {
        // It may have closed already, behind what could not be understood.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut heard = Vec::new();
    if let Err(error) = stream.read_to_end(&mut heard) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{addr} does not close");
    }
    heard
}
