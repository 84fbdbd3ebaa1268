//! Which formats are offered and agreed: shared ones first, others only where the switch can stand between.

use crate::codec::Codec;
use crate::g711::Law;
use crate::sdp::Format;
use std::sync::Arc;

/// The codecs a port may use, in order of preference, by their encoding names (`PCMA`, `G722`, `opus`, `L16/16000`,
/// `G729` …); `None` for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed(pub(super) Option<Arc<[String]>>);

impl Allowed {
    /// Its place in the list; events and comfort noise have one always.
    fn place(&self, format: &Format) -> Option<usize> {
        let Some(list) = &self.0 else { return Some(0) };
        if !format.is_sound() {
            return Some(usize::MAX);
        }
        list.iter().position(|name| {
            let (name, clock) = name.split_once('/').map_or((name.as_str(), None), |(n, c)| (n, c.parse().ok()));
            format.encoding.eq_ignore_ascii_case(name) && clock.is_none_or(|clock: u32| clock == format.clock)
        })
    }

    pub(super) fn permits(&self, format: &Format) -> bool {
        self.place(format).is_some()
    }

    /// What of these may be used, the preferred first.
    pub(super) fn choose(&self, formats: impl IntoIterator<Item = Format>) -> Vec<Format> {
        let mut chosen: Vec<Format> = formats.into_iter().filter(|f| self.permits(f)).collect();
        chosen.sort_by_key(|f| self.place(f));
        chosen
    }

    /// Codecs of the list that the switch itself can speak.
    fn own(&self) -> Vec<Codec> {
        let codec = |name: &String| Codec::usable().find(|c| Self(Some([name.clone()].into())).permits(&c.format(0)));
        self.0.iter().flat_map(|list| list.iter()).filter_map(codec).collect()
    }

    /// Adds to what is offered the codecs of the list that are not there, before what is no sound.
    pub(super) fn complete(&self, formats: &mut Vec<Format>) {
        for codec in self.own() {
            add(formats, codec);
        }
    }

    /// Adds what a phone may have that has neither law: G.722 and Opus, if they may be used.
    pub(super) fn widen(&self, formats: &mut Vec<Format>) {
        for codec in self.wide() {
            add(formats, codec);
        }
    }

    /// The codecs of [`Allowed::widen`].
    pub(super) fn wide(&self) -> impl Iterator<Item = Codec> {
        [Codec::G722, Codec::Opus].into_iter().filter(|codec| self.permits(&codec.format(0)))
    }

    /// What the switch offers of its own accord: the list, or what every phone has; and events.
    pub(super) fn defaults(&self) -> Vec<Format> {
        let mut formats = vec![events(101)];
        match &self.0 {
            Some(_) => self.complete(&mut formats),
            None => [Law::Mu, Law::A].into_iter().for_each(|law| add(&mut formats, Codec::G711(law))),
        }
        formats
    }
}

fn events(pt: u8) -> Format {
    let (encoding, fmtp) = ("telephone-event".to_owned(), Some("0-16".to_owned()));
    Format { pt, encoding, clock: 8_000, channels: 1, fmtp }
}

/// Adds a codec after the last sound, if it is not there and a payload type is free.
fn add(formats: &mut Vec<Format>, codec: Codec) {
    let taken = |formats: &[Format], pt: u8| formats.iter().any(|f| f.pt == pt);
    if formats.iter().any(|f| Codec::of(f) == Some(codec)) {
        return;
    }
    let pt = match codec.static_type() {
        Some(pt) => Some(pt).filter(|pt| !taken(formats, *pt)),
        None => (96..=127).find(|pt| !taken(formats, *pt)),
    };
    let Some(pt) = pt else { return };
    let at = formats.iter().position(|f| !f.is_sound()).unwrap_or(formats.len());
    formats.insert(at, codec.format(pt));
}

/// Adds events to what one side has without them: keys of the other side are told to whoever asks, and pass on in another way.
pub(super) fn add_events(formats: &mut Vec<Format>) {
    if formats.iter().any(is_digits) {
        return;
    }
    let free = |pt: &u8| formats.iter().all(|f| f.pt != *pt);
    if let Some(pt) = std::iter::once(101).chain(96..=127).find(free) {
        formats.push(events(pt));
    }
}

/// Adds both laws of G.711 to what one side has, if the switch can turn that into them.
pub(super) fn add_laws(formats: &mut Vec<Format>) {
    if formats.iter().any(|f| Codec::of(f).is_some()) {
        [Law::Mu, Law::A].into_iter().for_each(|law| add(formats, Codec::G711(law)));
    }
}

pub(super) fn is_digits(format: &Format) -> bool {
    format.is_telephone_event() && format.clock == 8_000
}

pub(super) fn has_audio(formats: &[Format]) -> bool {
    formats.iter().any(Format::is_sound)
}

/// What the switch can play itself out of an offer; `None` if it prefers something else, or would have to be asked for
/// G.711 although it prefers another codec.
pub(super) fn playable(offer: &[Format], allowed: &Allowed) -> Option<Vec<Format>> {
    let permitted: Vec<&Format> = offer.iter().filter(|f| allowed.permits(f)).collect();
    let first = permitted.iter().find(|f| f.is_sound())?;
    let has_law = permitted.iter().any(|f| f.law().is_some());
    if first.law().is_none() && (has_law || Codec::of(first).is_none()) {
        return None;
    }
    let plays = |f: &Format| if has_law { f.law().is_some() } else { Codec::of(f).is_some() };
    Some(permitted.into_iter().filter(|f| plays(f) || is_digits(f)).cloned().collect())
}

/// `common` if there is sound in it; else what of the offer the switch can turn into what is `agreed`: the other law of
/// G.711, then any codec of ours, with what accompanies it.
pub(super) fn or_transcoded(
    common: Vec<Format>,
    offer: &[Format],
    agreed: &[Format],
    allowed: &Allowed,
) -> Option<Vec<Format>> {
    if has_audio(&common) {
        return Some(common);
    }
    let permitted = || offer.iter().filter(|f| allowed.permits(f));
    let laws = agreed.iter().any(|f| f.law().is_some()) && permitted().any(|f| f.law().is_some());
    if laws {
        return Some(permitted().filter(|f| f.law().is_some()).cloned().chain(common).collect());
    }
    agreed.iter().find_map(Codec::of)?;
    let sounds = allowed.choose(permitted().filter(|f| Codec::of(f).is_some()).cloned());
    let rest = permitted().filter(|f| f.is_telephone_event() || f.is_comfort_noise()).cloned();
    has_audio(&sounds).then(|| sounds.into_iter().chain(rest).collect())
}
