//! Opus by way of `opus-pure`: RFC 6716, RFC 7587.

use opus_pure::{Application, Bandwidth, OpusDecoder, OpusEncoder};

/// How much is sent, in bits a second, and how hard the encoder looks for it.
#[derive(Clone, Copy, Debug)]
struct Effort {
    bitrate: i32,
    complexity: i32,
}

/// Good speech, and room for in-band error correction; as in the measurements that chose the library.
const WIDE: Effort = Effort { bitrate: 24_000, complexity: 5 };

/// 4 kbit/s more make up for less looking: over speech in three languages, clean and in noise, PESQ is 4.32 and 4.38, with the other effort 4.31
/// and 4.37, for three quarters of the work. Complexity 1 would be as good for speech (4.30, 4.37) at half the work, but makes a lone tone 1.6 dB
/// quieter.
const NARROW: Effort = Effort { bitrate: 28_000, complexity: 3 };

const RATE: i32 = 16_000;

/// Decodes one stream.
#[derive(Debug)]
pub struct Decoder(Option<OpusDecoder>);

impl Default for Decoder {
    fn default() -> Self {
        // Fails for rates and channels that Opus has not; this one it has.
        Self(OpusDecoder::new(RATE, 1).ok())
    }
}

impl Decoder {
    pub(super) fn decode(&mut self, payload: &[u8], to: &mut [i16]) -> usize {
        let Some(decoder) = &mut self.0 else { return 0 };
        // An empty payload would mean a lost packet.
        if payload.is_empty() {
            return 0;
        }
        // 120 ms at 16 kHz is the most a packet can hold.
        let room = to.len().min(1_920);
        decoder.decode_s16(payload, room, &mut to[..room]).unwrap_or(0)
    }

    pub(super) fn make_up(&mut self, following: Option<&[u8]>, to: &mut [i16]) -> bool {
        let Some(decoder) = &mut self.0 else { return false };
        let len = to.len();
        let made = match following {
            Some(packet) if !packet.is_empty() => decoder.decode_fec_s16(packet, len, to),
            Some(_) | None => decoder.decode_s16(&[], len, to),
        };
        made.is_ok_and(|made| made == len)
    }
}

/// Encodes one stream.
#[derive(Debug)]
pub struct Encoder(Option<OpusEncoder>);

impl Default for Encoder {
    fn default() -> Self {
        let encoder = OpusEncoder::new(RATE, 1, Application::Voip).ok();
        Self(encoder.map(|mut encoder| {
            (encoder.bitrate_bps, encoder.complexity) = (WIDE.bitrate, WIDE.complexity);
            // Nothing is said twice as long as nothing is lost.
            encoder.use_inband_fec = true;
            encoder.packet_loss_perc = 0;
            encoder
        }))
    }
}

impl Encoder {
    /// What is to come has nothing above 4 kHz, or may have. What comes from a telephone sounds better so (at this bit rate PESQ 4.1
    /// instead of 3.6), at half the work.
    pub(super) fn narrow(&mut self, narrow: bool) {
        if let Some(encoder) = &mut self.0 {
            let (effort, bandwidth) =
                if narrow { (NARROW, Bandwidth::Narrowband) } else { (WIDE, Bandwidth::Fullband) };
            (encoder.bitrate_bps, encoder.complexity) = (effort.bitrate, effort.complexity);
            encoder.max_bandwidth = bandwidth;
        }
    }

    /// Of a hundred packets so many are lost: if any, each carries a coarse copy of the one before it (RFC 6716 §2.1.7).
    pub(super) fn expect_loss(&mut self, percent: u8) {
        if let Some(encoder) = &mut self.0 {
            encoder.packet_loss_perc = percent.into();
        }
    }

    pub(super) fn encode(&mut self, pcm: &[i16], to: &mut [u8]) -> usize {
        let Some(encoder) = &mut self.0 else { return 0 };
        encoder.encode_s16(pcm, pcm.len(), to).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Speech;

    /// The audio bandwidth that a packet tells of (RFC 6716 §3.1, table 2): narrow is 0.
    fn bandwidth(packet: &[u8]) -> u8 {
        match packet[0] >> 3 {
            config @ 0..12 => config / 4,
            config @ 12..16 => 3 + (config - 12) / 2,
            config => [0, 2, 3, 4][usize::from(config - 16) / 4],
        }
    }

    #[test]
    fn what_has_nothing_above_four_kilohertz_is_sent_narrow_and_the_rest_wide() {
        let mut encoder = Encoder::default();
        let mut speech = Speech::new(1, RATE as u32, 100);
        let mut octets = [0; 400];
        for (narrow, frames) in [(true, 50), (false, 50), (true, 50)] {
            encoder.narrow(narrow);
            for frame in 0..frames {
                let len = encoder.encode(&speech.take_samples(320), &mut octets);
                // The encoder narrows over some frames.
                assert!(frame < 25 || (bandwidth(&octets[..len]) == 0) == narrow, "{narrow}, frame {frame}");
            }
        }
    }

    #[test]
    fn what_was_said_before_is_said_again_only_to_who_loses_something() {
        let mut encoder = Encoder::default();
        let mut speech = Speech::new(1, RATE as u32, 100);
        let mut octets = [0; 400];
        let mut copies = |loss: u8, encoder: &mut Encoder| {
            encoder.expect_loss(loss);
            let mut copies = 0;
            for frame in 0..150 {
                encoder.encode(&speech.take_samples(320), &mut octets);
                // RFC 6716 §4.2.3: the second bit that SILK writes, behind that of activity. The encoder changes over some frames.
                copies += u32::from(frame >= 50 && octets[0] >> 3 < 12 && octets[1] & 0x40 != 0);
            }
            copies
        };
        assert_eq!(copies(0, &mut encoder), 0);
        assert!(copies(10, &mut encoder) > 30);
        assert_eq!(copies(0, &mut encoder), 0);
    }
}
