//! The decoder fed in arbitrary pieces finds the same requests, and ends the same way, as when all comes at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::resp::{Decoded, Decoder, Limits};

/// Small, so that the limits are reached too.
const BULK_MAX_BYTES: u64 = 300;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, bool)| {
    let (bytes, cuts, unauthenticated) = input;
    let limits = Limits { bulk_max_bytes: BULK_MAX_BYTES, unauthenticated };
    let whole = requests(&bytes, &[], &limits);
    assert_eq!(whole, requests(&bytes, &cuts, &limits));
});

type Requests = (Vec<Vec<Vec<u8>>>, Option<String>);

/// All requests, and why the stream was given up. `cuts` are the sizes of the pieces and, in their upper bits, how many
/// requests are taken of what is complete.
fn requests(bytes: &[u8], cuts: &[u8], limits: &Limits) -> Requests {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    let (mut begin, mut end) = (0, 0);
    let mut cuts = cuts.iter();
    loop {
        let cut = cuts.next().copied();
        let most = cut.map_or(usize::MAX, |cut| usize::from(cut >> 6) + 1);
        end = cut.map_or(bytes.len(), |cut| bytes.len().min(end + usize::from(cut & 0x3f)));
        loop {
            let held = &bytes[begin..end];
            let decoded = decoder.decode(held, limits, most);
            // Now and then not all that is complete runs.
            let ran = if most == 3 { decoder.len().min(2) } else { decoder.len() };
            let left = decoder.len() - ran;
            let requests = decoder.requests(held).take(ran);
            found.extend(requests.map(|args| args.iter().map(<[u8]>::to_vec).collect()));
            begin += decoder.consume(ran);
            match decoded {
                _ if left > 0 => {}
                Decoded::Full => {}
                Decoded::Incomplete => break,
                Decoded::Error(error) => return (found, Some(error.to_string())),
            }
        }
        if end == bytes.len() && cut.is_none() {
            return (found, None);
        }
    }
}
