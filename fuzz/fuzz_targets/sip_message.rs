//! A datagram, and the same bytes as a stream in two cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchbay_sip_stack::message::{Frame, Limits, ParseErrorKind, StreamFramer};

#[path = "../../sip-stack/tests/properties/reader.rs"]
mod reader;

fuzz_target!(|data: &[u8]| {
    reader::take(data);
    let limits = Limits { max_message: 4096, max_headers: 40, max_header_len: 1000, max_via: 10 };
    // The first byte also says where the cuts are.
    let cut = usize::from(data.first().copied().unwrap_or_default()) % 64 + 1;
    assert_eq!(read(data.chunks(data.len().max(1)), limits), read(data.chunks(cut), limits));
});

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: Limits) -> Vec<Result<Frame, ParseErrorKind>> {
    let mut framer = StreamFramer::new(limits);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        frames.extend(std::iter::from_fn(|| framer.pop()).map(|frame| frame.map_err(|error| error.kind())));
    }
    frames
}
