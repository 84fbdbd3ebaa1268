//! What must hold of a message before anyone acts on it, whatever we support (RFC 3261 §8.1.1, §8.1.3, §8.2).

use super::{HeaderError, Message, Method, Name, Scheme, Status, Via};

/// Checks a request. The error is the response it gets, with a phrase that says why.
///
/// Verdicts of RFC 4475: every required header there, once, and well-formed (§3.1.2.1, .4, .6, .14, .15, §3.3.1, §3.3.8); CSeq names the
/// method (§3.1.2.17; an unknown method gets 501 instead, §3.1.2.18); a branch has more than its magic cookie (§3.2.1);
/// no headers in the Request-URI (§3.1.2.11); Replaces and Join where they belong; Contacts unambiguous (§3.1.2.13); To of a REGISTER is an address of record (§3.3.4).
/// Not judged, because malformed ones count as absent: Max-Forwards, Expires, Date, q (§3.1.2.4, §3.1.2.12).
pub fn validate(request: &Message) -> Result<(), (Status, &'static str)> {
    let bad = |phrase| Err((Status::BAD_REQUEST, phrase));
    let Some(method) = request.method() else { return bad("Not A Request") };
    // Before anything else: the way back.
    check_vias(request)?;
    let (_, cseq_method) = request.cseq().map_err(refused)?;
    if cseq_method != method {
        return match method {
            Method::Other(_) => Err((Status::NOT_IMPLEMENTED, "Not Implemented")),
            _ => bad("CSeq Method Mismatch"),
        };
    }
    request.from().map_err(refused)?;
    let to = request.to().map_err(refused)?;
    request.call_id().map_err(refused)?;
    if let Err(error @ HeaderError::Repeated(_)) = request.max_forwards() {
        return Err(refused(error));
    }
    check_uri(request)?;
    check_addresses(request, &method)?;
    check_dialogs(request, &method)?;
    if method == Method::Register && !matches!(to.uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return bad("To Is No Address Of Record");
    }
    Ok(())
}

fn check_vias(request: &Message) -> Result<(), (Status, &'static str)> {
    let mut topmost = None;
    for via in request.vias() {
        let via = via.map_err(refused)?;
        topmost.get_or_insert(via);
    }
    let Some(topmost) = topmost else { return Err(refused(HeaderError::Missing(Name::Via))) };
    match cookie_alone(&topmost) {
        true => Err((Status::BAD_REQUEST, "Branch Without Identifier")),
        false => Ok(()),
    }
}

/// The magic cookie says that an identifier follows, and none does.
fn cookie_alone(via: &Via) -> bool {
    via.branch().is_some_and(|branch| branch.eq_ignore_ascii_case(super::MAGIC_COOKIE.as_bytes()))
}

fn check_uri(request: &Message) -> Result<(), (Status, &'static str)> {
    match request.uri() {
        Err(_) => Err((Status::BAD_REQUEST, "Malformed Request-URI")),
        Ok(uri) if uri.has_headers() => Err((Status::BAD_REQUEST, "Headers In Request-URI")),
        Ok(_) => Ok(()),
    }
}

/// The addresses that this method makes us send to, or store.
fn check_addresses(request: &Message, method: &Method) -> Result<(), (Status, &'static str)> {
    let reads_contact = method.carries_target() || *method == Method::Register;
    let wildcard = *method == Method::Register && request.is_wildcard();
    if reads_contact && !wildcard {
        request.contacts().try_for_each(|contact| contact.map(drop)).map_err(refused)?;
    }
    for name in [Name::Route, Name::RecordRoute] {
        request.addrs(name).try_for_each(|addr| addr.map(drop)).map_err(refused)?;
    }
    Ok(())
}

/// Replaces and Join stand in INVITEs only, once, and not both (RFC 3891 §3, RFC 3911 §4).
fn check_dialogs(request: &Message, method: &Method) -> Result<(), (Status, &'static str)> {
    let has = |name| request.header(name).is_some();
    match (has(Name::Replaces), has(Name::Join)) {
        (false, false) => Ok(()),
        (true, true) => Err((Status::BAD_REQUEST, "Replaces And Join")),
        _ if *method != Method::Invite => Err((Status::BAD_REQUEST, "Replaces Or Join Outside INVITE")),
        _ => request.replaces().and_then(|_| request.join()).map(drop).map_err(refused),
    }
}

/// Checks a response; the error says why it is dropped. No response is ever answered.
///
/// RFC 4475: CSeq out of range (§3.1.2.5), several Vias, which only a proxy may see ([`validate_forked`]; §3.3.10, RFC 3261 §8.1.3.3).
pub fn validate_response(response: &Message) -> Result<(), &'static str> {
    if response.vias().nth(1).is_some() {
        return Err("More Than One Via");
    }
    validate_forked(response)
}

/// The same for a response to a request that was passed on: below our Via are those of others.
pub fn validate_forked(response: &Message) -> Result<(), &'static str> {
    if response.status().is_none() {
        return Err("Not A Response");
    }
    if !matches!(response.vias().next(), Some(Ok(_))) {
        return Err("Missing Or Malformed Via");
    }
    let checks =
        [response.cseq().map(drop), response.call_id().map(drop), response.from().map(drop), response.to().map(drop)];
    checks.into_iter().collect::<Result<(), _>>().map_err(|error| refused(error).1)
}

/// Whether a request may be sent on: 483 where Max-Forwards is used up (RFC 3261 §16.3, RFC 4475 §3.3.11).
///
/// Only for who forwards. Who is the end of a request's way answers it whatever Max-Forwards says.
pub fn may_forward(request: &Message) -> Result<(), (Status, &'static str)> {
    match request.max_forwards() {
        Ok(Some(0)) => Err((Status::TOO_MANY_HOPS, "Too Many Hops")),
        _ => Ok(()),
    }
}

/// RFC 3261 §21.4.1: the phrase should name the trouble.
fn refused(error: HeaderError) -> (Status, &'static str) {
    let phrase = match error {
        HeaderError::Missing(name) => match name {
            Name::Via => "Missing Via",
            Name::From => "Missing From",
            Name::To => "Missing To",
            Name::CallId => "Missing Call-ID",
            Name::CSeq => "Missing CSeq",
            _ => "Missing Header",
        },
        HeaderError::Malformed(name) => match name {
            Name::Via => "Malformed Via",
            Name::From => "Malformed From",
            Name::To => "Malformed To",
            Name::CallId => "Malformed Call-ID",
            Name::CSeq => "Malformed CSeq",
            Name::Contact => "Malformed Contact",
            Name::Route => "Malformed Route",
            Name::RecordRoute => "Malformed Record-Route",
            Name::Replaces => "Malformed Replaces",
            Name::Join => "Malformed Join",
            _ => "Malformed Header",
        },
        HeaderError::Repeated(name) => match name {
            Name::From => "More Than One From",
            Name::To => "More Than One To",
            Name::CallId => "More Than One Call-ID",
            Name::CSeq => "More Than One CSeq",
            Name::MaxForwards => "More Than One Max-Forwards",
            Name::Replaces => "More Than One Replaces",
            Name::Join => "More Than One Join",
            _ => "Repeated Header",
        },
    };
    (Status::BAD_REQUEST, phrase)
}
