//! Payloads of every codec, lost ones among them, from anywhere: decoders make sound or nothing.
//!
//! Input: records of one octet that says which codec and whether the packet is lost, one of length, and so many octets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::codec::{Codec, Decoder, MAX_SAMPLES};

fuzz_target!(|data: &[u8]| {
    let mut decoders = Codec::ALL.map(Decoder::new);
    let mut to = [0; MAX_SAMPLES];
    let mut rest = data;
    while let [what, len, tail @ ..] = rest {
        let (payload, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        let decoder = &mut decoders[usize::from(what & 7) % Codec::ALL.len()];
        match what >> 3 & 3 {
            0 => {
                decoder.make_up(None, &mut to[..320]);
            }
            1 => {
                decoder.make_up(Some(payload), &mut to[..usize::from(what >> 5).max(1) * 160]);
            }
            _ => assert!(decoder.decode(payload, &mut to) <= MAX_SAMPLES),
        }
    }
});
