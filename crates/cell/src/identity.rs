//! Who calls, as the other side is told it, and what else of a caller's INVITE goes with the call: P-Asserted-Identity
//! (RFC 3325), Privacy (RFC 3323), Diversion (RFC 5806), History-Info (RFC 7044), and headers the operator lets pass.
//!
//! Nothing else passes: every message is written anew, so that neither side sees an address, a Call-ID or a program's
//! name of the other.

use crate::cell::Cell;
use crate::config::Identity;
use crate::conversation::{CallerId, Conversation};
use crate::outward::OutLeg;
use crate::signalling::text;
use call::{Party, PartyKind};
use model::{CallerHeader, ForwardReason, LegNo, LegOrigin};
use serde::{Deserialize, Serialize};
use sip_stack::endpoint::{Flow, Headers};
use sip_stack::message::{Message, Name, NameAddr, Uri};

/// Headers of a call that are passed on; more are left out.
const MAX_PASSED: usize = 32;
/// The octets of all of them together.
const MAX_PASSED_SIZE: usize = 4096;
/// Diversions of a call that are told.
const MAX_DIVERSIONS: usize = 10;

/// What a caller's INVITE says beyond its number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// Its display name as it came, which may be in any character set.
    display: Vec<u8>,
    /// It does not want the called party to know its number.
    pub(crate) private: bool,
    /// The numbers that sent the call on before it reached us, the last first, and why.
    diversions: Vec<Diversion>,
    /// Headers that the operator lets pass.
    passed: Headers,
    /// It asks the called phone to answer by itself, and may.
    pub(crate) wants_answer: bool,
}

/// A number that sent a call on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Diversion {
    number: String,
    reason: String,
}

impl Caller {
    /// Reads an INVITE.
    pub(crate) fn of(request: &Message, settings: &Identity) -> Self {
        let display = request.from().ok().and_then(|from| Some(from.display_text()?.into_owned())).unwrap_or_default();
        let diversions = if settings.pass_diversion { diversions(request) } else { Vec::new() };
        Self {
            display,
            private: is_private(request),
            diversions,
            passed: passed(request, &settings.pass_headers),
            wants_answer: false,
        }
    }

    /// A name as it came, where what we know of it is what came.
    fn display_of<'a>(&'a self, name: &'a str) -> &'a [u8] {
        if !self.display.is_empty() && text(&self.display) == name { &self.display } else { name.as_bytes() }
    }
}

/// Who a trunk says calls: P-Asserted-Identity, else Remote-Party-ID; its number, and its name if it gives one.
pub(crate) fn asserted(request: &Message) -> Option<(String, String)> {
    let asserted = request.addrs(Name::PAssertedIdentity).chain(request.addrs(Name::RemotePartyId));
    let address = asserted.flatten().next()?;
    let number = crate::authorize::number_of(&address.uri);
    let name = address.display_text().map(|name| text(&name)).unwrap_or_default();
    (!number.is_empty() && number.len() <= crate::signalling::MAX_NUMBER).then_some((number, name))
}

/// Privacy: `id`, `user` and `header` ask for the same here, for nothing of the caller's own headers passes anyway.
fn is_private(request: &Message) -> bool {
    let value = request.header_named("Privacy").unwrap_or_default();
    let asked = value.split(|b| matches!(b, b';' | b',')).map(<[u8]>::trim_ascii);
    let mut hiding =
        asked.filter(|value| [&b"id"[..], b"user", b"header"].iter().any(|h| value.eq_ignore_ascii_case(h)));
    hiding.next().is_some()
}

fn diversions(request: &Message) -> Vec<Diversion> {
    let read = |address: NameAddr| {
        let number = crate::authorize::number_of(&address.uri);
        let reason = address.params.unquoted("reason").map(|r| text(&r)).filter(|r| is_token(r));
        let fits = !number.is_empty() && number.len() <= crate::signalling::MAX_NUMBER;
        fits.then(|| Diversion { number, reason: reason.unwrap_or_else(|| "unknown".to_owned()) })
    };
    request.addrs(Name::Diversion).flatten().take(MAX_DIVERSIONS).filter_map(read).collect()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() < 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The headers of a message whose names match one of the patterns (`X-*`, `User-to-User`).
pub(crate) fn passed(message: &Message, patterns: &[String]) -> Headers {
    if patterns.is_empty() {
        return Headers::new();
    }
    let mut size = 0;
    let lines = message.lines().filter(|(known, name, _)| *known == Name::Other && may_pass(name, patterns));
    let fits = lines.take_while(|(_, name, value)| {
        size += name.len() + value.len();
        size <= MAX_PASSED_SIZE
    });
    fits.take(MAX_PASSED).map(|(_, name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec())).collect()
}

fn may_pass(name: &[u8], patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes()),
        None => name.eq_ignore_ascii_case(pattern.as_bytes()),
    })
}

impl Cell {
    /// What a trunk says of its caller counts, if the operator trusts trunks in that.
    pub(crate) fn identify(&self, caller: &mut Party, request: &Message) {
        if self.config.identity.trust_trunks
            && matches!(caller.kind, PartyKind::Trunk(_))
            && let Some((number, name)) = asserted(request)
        {
            caller.number = number;
            if !name.is_empty() {
                caller.name = name;
            }
        }
    }

    /// From of an INVITE of ours, and what else it says of the caller.
    pub(crate) fn identity_headers(
        &self,
        conversation: &Conversation,
        caller: &CallerId,
        out: Option<&OutLeg>,
        flow: Flow,
    ) -> Option<(NameAddr, Headers)> {
        let known = &conversation.caller;
        let settings = &self.config.identity;
        let waiting = conversation.call.waiting() == conversation.call.caller_leg();
        let private = waiting && known.private;
        let named =
            |user: &str| Some(crate::effects::address(user, flow.local)?.with_display(known.display_of(&caller.name)));
        // What a trunk is told by a header of its own is not told twice; and of a private caller only what is asserted.
        let own = out.map_or(&[][..], |out| &out.terms.headers);
        let asserted = own.contains(&CallerHeader::PAssertedIdentity);
        let shown: Vec<_> =
            own.iter().filter(|h| !private || **h == CallerHeader::PAssertedIdentity).cloned().collect();
        // What the check of the caller's number came to (3GPP TS 24.229 §7.2A.20); phones that do not know the parameter ignore it.
        let checked = conversation.verification.as_ref().filter(|_| out.is_none() && waiting && !private);
        let marked = |mut address: NameAddr| {
            if let Some(verification) = checked {
                address.uri = address.uri.with_param("verstat", Some(verification.verdict.verstat()));
            }
            address
        };
        let (host, port) = (crate::effects::host(flow.local), flow.local.port());
        let mut headers = crate::outward::identity(caller, &shown, &host, port);
        let wanted = match out {
            Some(_) => settings.tell_trunks && !asserted,
            None => (settings.tell_phones || checked.is_some()) && !private,
        };
        if wanted && !caller.number.is_empty() {
            headers.push(("P-Asserted-Identity".to_owned(), marked(named(&caller.number)?).to_bytes().to_vec()));
        }
        if private {
            headers.push(("Privacy".to_owned(), b"id".to_vec()));
            let nobody = Uri::sip(Some("anonymous"), "anonymous.invalid", None).ok()?;
            return Some((NameAddr::new(nobody).with_display(b"Anonymous"), headers));
        }
        let account = out.and_then(|out| self.directory.account(out)).unwrap_or(&caller.number);
        Some((marked(named(account)?), headers))
    }

    /// Who sent the call on, for a leg that is called instead of another, and what passes of the caller's own headers.
    pub(crate) fn travelling_headers(&self, conversation: &Conversation, leg: LegNo, flow: Flow) -> Headers {
        let mut chain = Vec::new();
        let mut at = leg;
        while let Some(LegOrigin::Diverted { from }) = conversation.call.origin_of(at) {
            let number = conversation.call.number_of(from).unwrap_or_default().to_owned();
            chain.push(Diversion { number, reason: "unconditional".to_owned() });
            at = from;
        }
        // Its own search came here by those who forwarded it; a trunk knows them by their numbers beyond it.
        let outside = conversation.call.trunk_of(leg).is_some();
        let known = |number: &str| {
            let extension = self.directory.extension(number).filter(|e| outside && !e.outside_number.is_empty());
            extension.map_or_else(|| number.to_owned(), |extension| extension.outside_number.clone())
        };
        let steps = conversation.detours.values().flat_map(|way| way.steps.iter()).rev();
        chain.extend(
            steps.map(|step| Diversion { number: known(&step.number), reason: reason_of(step.why).to_owned() }),
        );
        chain.extend(conversation.caller.diversions.iter().cloned());
        chain.truncate(MAX_DIVERSIONS);
        let mut headers = Headers::new();
        for Diversion { number, reason } in &chain {
            let Some(address) = crate::effects::address(number, flow.local) else { continue };
            let mut value = address.to_bytes().to_vec();
            value.extend(format!(";reason={reason};counter=1").bytes());
            headers.push(("Diversion".to_owned(), value));
        }
        if !chain.is_empty() {
            headers.push(("History-Info".to_owned(), history(&chain, conversation.call.number_of(leg), flow)));
        }
        headers.extend(conversation.caller.passed.iter().cloned());
        headers
    }
}

/// The words of RFC 5806 §5.2.
fn reason_of(why: ForwardReason) -> &'static str {
    match why {
        ForwardReason::Always => "unconditional",
        ForwardReason::Busy => "user-busy",
        ForwardReason::NoAnswer => "no-answer",
        ForwardReason::Offline => "unavailable",
    }
}

/// The cause by which a call went on, from the words of RFC 5806 (RFC 4458 §2, RFC 7544 §7.2).
fn cause_of(reason: &str) -> u16 {
    match reason {
        "user-busy" => 486,
        "no-answer" => 408,
        "unavailable" | "out-of-service" => 503,
        _ => 302,
    }
}

/// The numbers in the order in which the call reached them; each was the retarget of the one before (RFC 7044 §5, RFC 4458 §2).
fn history(chain: &[Diversion], last: Option<&str>, flow: Flow) -> Vec<u8> {
    let numbers = chain.iter().rev().map(|diversion| &diversion.number[..]).chain(last);
    let causes = chain.iter().rev().map(|diversion| format!(";cause={}", cause_of(&diversion.reason)));
    let causes = std::iter::once(String::new()).chain(causes);
    let mut index = String::new();
    let entries = numbers.zip(causes).filter_map(|(number, cause)| {
        index.push_str(if index.is_empty() { "1" } else { ".1" });
        let uri = crate::effects::address(number, flow.local)?.uri;
        Some(format!("<{}{cause}>;index={index}", String::from_utf8_lossy(uri.as_bytes())))
    });
    entries.collect::<Vec<_>>().join(", ").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(headers: &str) -> Message {
        let text = format!("INVITE sip:101@h SIP/2.0\r\nFrom: \"A\" <sip:100@h>;tag=1\r\n{headers}\r\n");
        Message::parse_datagram(text.into()).unwrap()
    }

    #[test]
    fn identities_privacy_and_diversions_are_read() {
        let of = |headers: &str| asserted(&invite(headers)).map(|(number, _)| number);
        assert_eq!(of("P-Asserted-Identity: \"N\" <sip:+4930123@x>, <tel:+4930123>\r\n").as_deref(), Some("+4930123"));
        assert_eq!(of("Remote-Party-ID: <sip:5@x>;party=calling\r\n").as_deref(), Some("5"));
        let both = "Remote-Party-ID: <sip:5@x>\r\nP-Asserted-Identity: <tel:+1-201>\r\n";
        assert_eq!(of(both).as_deref(), Some("+1201"));
        assert_eq!(of("P-Asserted-Identity: <<\r\n"), None);
        assert!(is_private(&invite("Privacy: critical;id\r\n")) && !is_private(&invite("Privacy: none\r\n")));
        let found = diversions(&invite("Diversion: <sip:7@x>;reason=user-busy;counter=1\r\nDiversion: <sip:8@x>\r\n"));
        let names: Vec<_> = found.iter().map(|d| (&d.number[..], &d.reason[..])).collect();
        assert_eq!(names, [("7", "user-busy"), ("8", "unknown")]);
    }

    #[test]
    fn only_named_headers_pass_and_never_ours() {
        let patterns = ["X-*".to_owned(), "User-to-User".to_owned(), "Via".to_owned()];
        let message = invite("X-Account: 7\r\nx-b: 8\r\nY: 9\r\nUser-To-User: 00\r\nVia: SIP/2.0/UDP evil\r\n");
        let names: Vec<_> = passed(&message, &patterns).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["X-Account", "x-b", "User-To-User"]);
        let long = format!("X-Long: {}\r\nX-More: 1\r\n", "a".repeat(5_000));
        assert!(passed(&invite(&long), &patterns).is_empty());
    }
}
