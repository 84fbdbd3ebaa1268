//! Who may do what: trunks by address, extensions by digest.

use crate::cell::Cell;
use crate::screen::PROVEN_FOR;
use crate::signalling::text;
use call::{Party, PartyKind};
use sip_stack::auth::{Ha1, Verdict};
use sip_stack::endpoint::{Flow, RequestId};
use sip_stack::message::{Message, Name, Status};
use sip_stack::placement::{Kind, cell_of_tag, kind_hint};
use std::time::Instant;
use tracing::{debug, info};

/// What to do with somebody who wants something.
pub(crate) enum Admission {
    /// This is who it is.
    Granted(Party),
    /// Answer with this and forget it.
    Challenged { status: Status, headers: Vec<(String, Vec<u8>)> },
    /// Credentials were given and are wrong: 403.
    Denied { claimed: Party },
    /// It is who it says, and asks more often than it may: 503 with Retry-After.
    TooOften,
    /// Say nothing at all: this user has been wrong too often at this source.
    Ignored,
}

impl Cell {
    /// Admits a caller: a trunk by its address, anybody else by digest.
    pub(crate) fn admit(&mut self, request: &Message, flow: Flow, now: Instant) -> Admission {
        let user = sip_stack::message::Uri::from_slice(request.request_uri()).ok().map(|uri| number_of(&uri));
        if let Some(trunk) = self.trunk_of(request, flow, user.as_deref()) {
            let name = trunk.name.clone();
            self.vouch(flow.remote, now + PROVEN_FOR, now);
            return Admission::Granted(self.by_trunk(request, &name));
        }
        self.check(request, flow, true, now)
    }

    /// The trunk that a request is from by its address. A phone may sit at the same one, behind the same NAT or on the same host: it is known by
    /// its registration, by the extension that it proves to be, or by naming an extension of ours at our address in From. It then has to prove
    /// itself, which a carrier that shows such a number could not.
    pub(crate) fn trunk_of(&self, request: &Message, flow: Flow, user: Option<&str>) -> Option<&model::Trunk> {
        let trunk = self.directory.trunk_at(flow.remote, user)?;
        if self.screen.is_phone(flow.remote) {
            return None;
        }
        let extension =
            |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| self.directory.extension(name).is_some());
        let proves = request.authorization().chain(request.credentials(Name::ProxyAuthorization)).flatten();
        let mut names = proves.filter_map(|credentials| credentials.get("username").map(std::borrow::Cow::into_owned));
        if names.any(|name| extension(&name)) {
            return None;
        }
        let from = request.from().ok()?;
        let at_ours = from.uri.host_bytes().eq_ignore_ascii_case(self.config.realm.as_bytes())
            || from.uri.host().ip().is_some_and(|ip| self.config.locals.is_ours(ip));
        // A call of ours that the carrier sends back bears our own tag.
        let returned = from.tag().and_then(cell_of_tag).is_some();
        (returned || !at_ours || !extension(number_of(&from.uri).as_bytes())).then_some(trunk)
    }

    /// Who calls by a trunk, in our way of writing numbers.
    fn by_trunk(&self, request: &Message, trunk: &str) -> Party {
        let mut party = claimed(request, PartyKind::Trunk(trunk.to_owned()));
        party.number = self.directory.router().shown_caller(trunk, &party.number);
        party
    }

    /// Admits an extension by digest.
    pub(crate) fn authenticate(&mut self, request: &Message, flow: Flow, now: Instant) -> Admission {
        self.check(request, flow, false, now)
    }

    /// The extension whose token this stream has shown, if the request is in its name.
    fn shown_by(&self, request: &Message, flow: Flow) -> Option<String> {
        let shown = self.shown.get(&flow)?;
        let named = request.from().is_ok_and(|from| number_of(&from.uri) == *shown);
        let extension = self.directory.extension(shown).filter(|e| named && e.allows(flow.remote.ip()))?;
        Some(extension.number.clone())
    }

    /// Digest, of an extension or, for calls, of a trunk that proves itself by a password.
    fn check(&mut self, request: &Message, flow: Flow, trunks: bool, now: Instant) -> Admission {
        let directory = &self.directory;
        let source = flow.remote.ip();
        let (tokens, wall) = (&self.tokens, self.config.wall.at(now));
        let in_stack = |ha1: &model::Ha1| Ha1 { md5: ha1.md5, sha256: ha1.sha256, sha512_256: ha1.sha512_256 };
        let lookup = |user: &str| match directory.extension(user) {
            // An extension that may not come from there is to a stranger no other than one that does not exist.
            Some(extension) if !extension.allows(source) => Vec::new(),
            Some(extension) => std::iter::once(&extension.ha1).chain(tokens.of(user, wall)).map(in_stack).collect(),
            None => directory.inbound_account(user).filter(|_| trunks).map(|(_, ha1)| *ha1).into_iter().collect(),
        };
        let verdict = match self.shown_by(request, flow) {
            Some(user) => Verdict::Ok { user },
            None => self.auth.check(request, &self.config.realm, &lookup, source, now),
        };
        if let Some((source, reason)) = self.auth.suspect() {
            self.ban(source, reason, now);
        }
        match verdict {
            Verdict::Ok { user } if self.directory.extension(&user).is_none() => {
                match self.directory.inbound_account(&user) {
                    Some((trunk, _)) => Admission::Granted(self.by_trunk(request, trunk)),
                    None => Admission::Denied { claimed: claimed(request, PartyKind::Extension) },
                }
            }
            Verdict::Ok { user } => {
                // However often one called before: for an emergency call there is a rate of its own.
                let urgent = self.screen.is_urgent(flow, request.as_bytes());
                let kind = if urgent { Kind::Other } else { kind_hint(request.as_bytes()) };
                if !self.screen.user_may(&user, kind, now) {
                    self.stats.too_often += 1;
                    info!(?kind, "a user asks more often than it may");
                    return Admission::TooOften;
                }
                self.vouch(flow.remote, now + PROVEN_FOR, now);
                let mut party = claimed(request, PartyKind::Extension);
                if let Some(extension) = self.directory.extension(&user).filter(|extension| !extension.name.is_empty())
                {
                    party.name.clone_from(&extension.name);
                }
                party.number = user;
                Admission::Granted(party)
            }
            Verdict::Challenge { status, headers, stale } => {
                debug!(source = %flow.remote, stale, "challenged");
                Admission::Challenged { status, headers }
            }
            Verdict::Wrong { user } => {
                self.stats.wrong_credentials += 1;
                info!("wrong credentials refused");
                debug!(source = %flow.remote, user, "wrong credentials refused");
                Admission::Denied { claimed: claimed(request, PartyKind::Extension) }
            }
            Verdict::Ignore => {
                self.stats.ignored += 1;
                Admission::Ignored
            }
        }
    }
}

impl Cell {
    /// The extension that sends a request outside calls, if it proves who it is and speaks for itself. Otherwise the request is answered.
    pub(crate) fn proven(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) -> Option<Party> {
        let admission = self.authenticate(request, flow, now);
        let party = self.granted(id, admission, flow, now)?;
        if request.from().is_ok_and(|from| number_of(&from.uri) == party.number) {
            return Some(party);
        }
        self.sip.respond(id, Status::FORBIDDEN, Vec::new(), None, now);
        None
    }

    /// Who was admitted. Otherwise the request is answered.
    pub(crate) fn granted(&mut self, id: RequestId, admission: Admission, flow: Flow, now: Instant) -> Option<Party> {
        match admission {
            Admission::Granted(party) => return Some(party),
            Admission::Challenged { status, headers } => self.sip.respond(id, status, headers, None, now),
            Admission::Denied { .. } => {
                let delay = self.auth.delay(flow.remote.ip());
                self.sip.respond_after(id, Status::FORBIDDEN, Vec::new(), delay, now);
            }
            Admission::TooOften => {
                self.sip.respond(id, Status::SERVICE_UNAVAILABLE, crate::signalling::retry_after(), None, now);
            }
            Admission::Ignored => self.sip.discard_request(id),
        }
        None
    }
}

/// Who a request says it is from.
fn claimed(request: &Message, kind: PartyKind) -> Party {
    let Ok(from) = request.from() else { return Party { number: String::new(), name: String::new(), kind } };
    let name = from.display_text().map(|name| text(&name)).unwrap_or_default();
    Party { number: number_of(&from.uri), name, kind }
}

/// The number in a URI: the user of `sip:`, the digits of `tel:` without their visual separators (RFC 3966 §5.1.1).
pub(crate) fn number_of(uri: &sip_stack::message::Uri) -> String {
    uri.dialled().map(|number| text(&number)).unwrap_or_default()
}
