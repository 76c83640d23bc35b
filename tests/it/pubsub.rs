//! Messages to many, by several who do not wait for those who hear them: all of them come, in the order of each publisher,
//! however they are gathered on their way.

use super::support::{connect, effort, server};
use super::wire::{Reply, Wire, request};

const PUBLISHERS: usize = 4;
/// Enough that deliveries go in rounds.
const SUBSCRIBERS: usize = 48;
const MESSAGES: usize = 300;
const PIPELINE: usize = 10;

/// A third listens to the channel, a third to a pattern, a third to the channel in RESP3.
fn subscriber(server: &ochre::server::embed::Server, number: usize) -> Wire {
    let mut wire = connect(server);
    match number % 3 {
        0 => _ = wire.ask("SUBSCRIBE news"),
        1 => _ = wire.ask("PSUBSCRIBE n*"),
        _ => {
            wire.ask("HELLO 3");
            wire.ask("SUBSCRIBE news");
        }
    }
    wire
}

fn publish(wire: &mut Wire, publisher: usize, messages: usize) {
    for first in (0..messages).step_by(PIPELINE) {
        let batch: Vec<u8> = (first..first + PIPELINE)
            .flat_map(|number| request(&["PUBLISH", "news", &format!("{publisher}:{number}")]))
            .collect();
        wire.send_raw(&batch).unwrap();
        for _ in 0..PIPELINE {
            assert_eq!(wire.read().unwrap(), Reply::Integer(SUBSCRIBERS as i64));
        }
    }
}

/// Which publisher said it, and its number.
fn said(message: &Reply) -> (usize, usize) {
    let (Reply::Array(parts) | Reply::Push(parts)) = message else { panic!("{message:?}") };
    let Some(Reply::Bulk(payload)) = parts.last() else { panic!("{message:?}") };
    let text = String::from_utf8_lossy(payload);
    let (publisher, number) = text.split_once(':').unwrap();
    (publisher.parse().unwrap(), number.parse().unwrap())
}

#[test]
fn everybody_hears_everything_in_the_order_of_each_publisher() {
    for workers in ["1", "3"] {
        let server = server(&["--io-threads", workers]);
        let messages = MESSAGES * effort();
        let mut subscribers: Vec<Wire> = (0..SUBSCRIBERS).map(|number| subscriber(&server, number)).collect();
        std::thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let mut wire = connect(&server);
                scope.spawn(move || publish(&mut wire, publisher, messages));
            }
            for wire in &mut subscribers {
                scope.spawn(move || {
                    let mut next = [0; PUBLISHERS];
                    for _ in 0..PUBLISHERS * messages {
                        let (publisher, number) = said(&wire.read().unwrap());
                        assert_eq!(number, next[publisher], "of publisher {publisher}");
                        next[publisher] += 1;
                    }
                });
            }
        });
        // Nothing is left over, and they are still there.
        for wire in &mut subscribers {
            wire.send(&["PING"]).unwrap();
            let pong = wire.read().unwrap();
            assert!(!matches!(&pong, Reply::Array(parts) if parts.len() > 2), "{pong:?}");
        }
    }
}
