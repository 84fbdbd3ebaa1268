//! Payload types: what each means that a port receives, and as what it leaves on the other side.
//!
//! Decided when descriptions or bridges change; a packet only looks up.

use crate::codec::Codec;
use crate::g711::Law;
use crate::sdp::Format;

/// What kind of packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Not agreed.
    Unknown,
    /// Sound.
    Audio,
    /// telephone-event.
    Digits,
    /// Comfort noise.
    Noise,
}

/// As what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Onward {
    /// Not at all: the other side has not agreed to it.
    Drop,
    /// As it is, with this payload type.
    As(u8),
    /// In the other law of G.711, with this payload type.
    Convert(u8),
}

/// One payload type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) class: Class,
    /// Set if it is G.711.
    pub(super) law: Option<Law>,
    /// Set if it can be decoded.
    pub(super) codec: Option<Codec>,
    pub(super) onward: Onward,
    /// Timestamp ticks in 10 ms.
    pub(super) clock: u16,
}

/// All payload types of a port.
#[derive(Debug)]
pub(super) struct Routes(Box<[Route; 128]>);

impl Routes {
    pub(super) fn none() -> Self {
        Self(Box::new([Route { class: Class::Unknown, law: None, codec: None, onward: Onward::Drop, clock: 80 }; 128]))
    }

    /// Routes what is `received` here to a side that takes `onward`.
    pub(super) fn set(&mut self, received: &[Format], onward: &[Format]) {
        self.0.fill(Route { class: Class::Unknown, law: None, codec: None, onward: Onward::Drop, clock: 80 });
        for format in received {
            if let Some(route) = self.0.get_mut(usize::from(format.pt)) {
                *route = Route {
                    class: class(format),
                    law: format.law(),
                    codec: Codec::of(format),
                    onward: leaves_as(format, onward),
                    clock: (format.clock / 100).clamp(1, u32::from(u16::MAX)) as u16,
                };
            }
        }
    }

    #[inline]
    pub(super) fn of(&self, payload_type: u8) -> Route {
        self.0[usize::from(payload_type & 0x7f)]
    }
}

fn class(format: &Format) -> Class {
    if format.is_telephone_event() {
        Class::Digits
    } else if format.is_comfort_noise() {
        Class::Noise
    } else {
        Class::Audio
    }
}

/// As what a format leaves towards a side that takes these.
pub(super) fn leaves_as(format: &Format, onward: &[Format]) -> Onward {
    if let Some(same) = onward.iter().find(|f| f.same_codec(format)) {
        return Onward::As(same.pt);
    }
    let Some(other) = format.law().map(Law::other) else { return Onward::Drop };
    onward.iter().find(|f| f.law() == Some(other)).map_or(Onward::Drop, |f| Onward::Convert(f.pt))
}
