//! What one Contact of a REGISTER asks for, and what it changes.

use super::outbound::{Push, reg_id};
use super::{Binding, Change, ChangeKind, Config, Registration, refused};
use crate::endpoint::Flow;
use crate::message::{Message, Name, NameAddr, Scheme, Status, Uri};
use std::time::{Duration, Instant};

/// Path values that are kept of one registration.
const MAX_PATH: usize = 8;

pub(super) struct Wish {
    pub(super) uri: Uri,
    pub(super) contact: Vec<u8>,
    pub(super) expires: Duration,
    pub(super) q: u16,
    pub(super) instance: Option<String>,
    pub(super) reg_id: Option<u32>,
}

/// What all wishes of one request have in common.
pub(super) struct Asked<'a> {
    pub(super) aor: &'a str,
    pub(super) call_id: &'a [u8],
    pub(super) cseq: u32,
    pub(super) request: &'a Message,
    pub(super) flow: Flow,
}

impl Wish {
    pub(super) fn read(
        request: &Message,
        contact: &NameAddr,
        default: Duration,
        config: &Config,
    ) -> Result<Self, Registration> {
        if !matches!(contact.uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(refused(Status::BAD_REQUEST));
        }
        let expires = contact.expires().map_or(default, |seconds| Duration::from_secs(seconds.into()));
        let instance = contact.params.unquoted("+sip.instance").map(|text| String::from_utf8_lossy(&text).into_owned());
        let reg_id = reg_id(request, contact, instance.as_deref()).map_err(refused)?;
        let uri = contact.uri.without_headers();
        let wish =
            Self { contact: uri.as_bytes().to_vec(), uri, expires, q: contact.q().unwrap_or(1000), instance, reg_id };
        // A phone that relies on a service we cannot reach must know it (RFC 8599 §4.1.1).
        if let Some(push) = Push::of(&wish.contact)
            && !config.push_providers.is_empty()
            && !config.push_providers.contains(&push.provider)
        {
            return Err(refused(Status(555)));
        }
        Ok(wish)
    }

    /// True if the wish is about this binding: the same flow of the same phone (RFC 5626 §6), the same phone with a new address, or
    /// the same address.
    pub(super) fn means(&self, binding: &Binding) -> bool {
        if self.instance.is_some() && self.instance == binding.instance {
            return self.reg_id == binding.reg_id || binding.reg_id.is_none() || self.reg_id.is_none();
        }
        if self.reg_id.is_some() || binding.reg_id.is_some() {
            return false;
        }
        self.contact == binding.contact
            || Uri::from_slice(&binding.contact).is_ok_and(|known| known.equivalent(&self.uri))
    }

    /// What the wish changes: nothing, one binding, or, for a phone that came back with another address, two.
    pub(super) fn change(self, old: Option<&Binding>, asked: &Asked<'_>, now: Instant) -> Vec<Change> {
        if self.expires.is_zero() {
            let gone = |binding: &Binding| Change { kind: ChangeKind::Removed, binding: binding.clone() };
            return old.map(gone).into_iter().collect();
        }
        let request = asked.request;
        let user_agent =
            request.header(Name::UserAgent).map(|text| String::from_utf8_lossy(text).chars().take(128).collect());
        let new = Binding {
            aor: asked.aor.to_owned(),
            contact: self.contact,
            flow: asked.flow,
            call_id: asked.call_id.to_vec(),
            cseq: asked.cseq,
            expires_at: now + self.expires,
            q: self.q,
            user_agent: user_agent.unwrap_or_default(),
            instance: self.instance,
            path: request.values(Name::Path).take(MAX_PATH).map(<[u8]>::to_vec).collect(),
            reg_id: self.reg_id,
            asleep: false,
            awake_until: None,
            kept_until: None,
        };
        let new = Binding { awake_until: new.nat_forgets_at(now), ..new };
        match old {
            Some(old) if old.name() == new.name() => {
                let kind = if old.says_the_same_as(&new) { ChangeKind::Refreshed } else { ChangeKind::Altered };
                vec![Change { kind, binding: new }]
            }
            Some(old) => vec![
                Change { kind: ChangeKind::Removed, binding: old.clone() },
                Change { kind: ChangeKind::Added, binding: new },
            ],
            None => vec![Change { kind: ChangeKind::Added, binding: new }],
        }
    }
}
