//! Bytes from outside as a value and as a file, with the right checksum behind them: refused, or taken and then written and
//! read again; and never at the price of much more memory than they take themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::base::crc::crc64;
use ochre::ds::blob::Payload;
use ochre::rdb::dump;
use ochre::rdb::read::{Item, Limits, Options, Owned, Reader};

#[path = "../common/memory.rs"]
mod memory;

use memory::{bounded, ratio_of_dump};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let mut payload = bytes.to_vec();
    payload.extend_from_slice(&12_u16.to_le_bytes());
    payload.extend_from_slice(&crc64(0, &payload).to_le_bytes());
    if let Ok(Owned::Collection(value)) =
        bounded(bytes, ratio_of_dump(bytes), || dump::decode(&payload, limits))
    {
        let mut again = Vec::new();
        dump::encode(&Payload::Value(&value), true, &mut again);
        assert!(dump::decode(&again, limits).is_ok());
    }

    let mut file = b"REDIS0012".to_vec();
    file.extend_from_slice(bytes);
    file.push(0xff);
    file.extend_from_slice(&crc64(0, &file).to_le_bytes());
    let options = Options { total_bytes: Some(file.len() as u64), ..Options::default() };
    bounded(&file, ratio_of_dump(&file), || {
        let Ok(mut reader) = Reader::open(file.as_slice(), options) else { return };
        while let Ok(item) = reader.next_item() {
            if matches!(item, Item::End) {
                return;
            }
        }
    });
});
