//! A clip in the words of a codec, so that no listener costs any encoding.
//!
//! Most codecs remember what they said. So there are two versions: one that begins where nothing was before, and one that
//! begins where the clip, or one like it, has just ended, for the rounds that follow the first.

use super::{Clip, NARROW, WIDE};
use crate::codec::resample::Resampler;
use crate::codec::{Codec, Encoder, MAX_PAYLOAD};

/// Packets of 20 ms.
#[derive(Debug)]
pub(super) struct Packets {
    octets: Box<[u8]>,
    ends: Box<[u32]>,
}

impl Packets {
    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)? as usize;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.octets.get(begin..end)
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len() + self.ends.len() * 4
    }
}

/// Both versions; one is enough for a codec that remembers nothing.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) first: Packets,
    pub(super) again: Option<Packets>,
}

impl Encoded {
    pub(super) fn of(clip: &Clip, codec: Codec) -> Self {
        let mut encoder = Encoder::new(codec);
        let mut rise = Resampler::new(8_000, codec.rate());
        let mut round = || encode(clip, &mut encoder, rise.as_mut());
        let first = round();
        let again = (!matches!(codec, Codec::G711(_))).then(round);
        Self { first, again }
    }
}

fn encode(clip: &Clip, encoder: &mut Encoder, mut rise: Option<&mut Resampler>) -> Packets {
    let (mut octets, mut ends) = (Vec::new(), Vec::new());
    let mut payload = [0; MAX_PAYLOAD];
    for (at, narrow) in clip.narrow.as_chunks::<NARROW>().0.iter().enumerate() {
        let mut risen = [0; WIDE];
        let pcm: &[i16] = match (&mut rise, &clip.wide) {
            (None, _) => narrow,
            (Some(_), Some(wide)) => &wide[at * WIDE..][..WIDE],
            (Some(rise), None) => {
                rise.run(narrow, &mut risen);
                &risen
            }
        };
        let len = encoder.encode(pcm, &mut payload);
        octets.extend_from_slice(&payload[..len]);
        ends.push(octets.len() as u32);
    }
    Packets { octets: octets.into(), ends: ends.into() }
}
