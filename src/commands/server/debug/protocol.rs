//! DEBUG PROTOCOL: one reply of every type that RESP2 and RESP3 have, with the values that client libraries test for.

use crate::dispatch::{CmdError, Outcome, ReplySlot};
use crate::resp::{Proto, Writer};

// What Redis answers; it only looks like a rounded pi.
#[allow(clippy::approx_constant)]
const DOUBLE: f64 = 3.141;

pub(super) fn protocol(kind: &[u8], reply: ReplySlot<'_>) -> Outcome {
    let is_resp3 = reply.proto() == Proto::Resp3;
    let write: fn(&mut Writer<'_>) = match kind.to_ascii_lowercase().as_slice() {
        b"string" => |w| w.bulk(b"Hello World"),
        b"integer" => |w| w.int(12345),
        b"double" => |w| w.double(DOUBLE),
        b"null" => |w| w.null(),
        b"array" => |w| {
            w.array(3);
            (0..3).for_each(|value| w.int(value));
        },
        b"set" => |w| {
            w.set(3);
            (0..3).for_each(|value| w.int(value));
        },
        b"map" => |w| {
            w.map(3);
            for key in 0..3 {
                w.int(key);
                w.boolean(key == 1);
            }
        },
        b"attrib" => write_with_attribute,
        b"push" if !is_resp3 => return Err(CmdError::text("ERR RESP2 is not supported by this command")),
        b"push" => |w| {
            w.bulk(b"Some real reply following the push reply");
            w.push(2);
            w.bulk(b"server-cpu-usage");
            w.int(42);
        },
        b"verbatim" => |w| w.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"true" => |w| w.boolean(true),
        b"false" => |w| w.boolean(false),
        b"bignum" => |w| w.big_number(b"1234567999999999999999999999999999999"),
        _ => {
            return Err(CmdError::text(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|\
                 array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    };
    Ok(reply.write(write))
}

fn write_with_attribute(w: &mut Writer<'_>) {
    if w.proto() == Proto::Resp3 {
        w.attribute(1);
        w.bulk(b"key-popularity");
        w.array(2);
        w.bulk(b"key:123");
        w.int(90);
    }
    w.bulk(b"Some real reply following the attribute");
}
