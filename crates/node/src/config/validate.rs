//! What must fit together: things that a single value cannot show.

use super::{Config, Trunk};
use std::collections::BTreeSet;
use std::time::Duration;

/// Something wrong at a key, as a path like `trunk.0.target`.
pub(super) struct Finding {
    pub(super) key: String,
    pub(super) text: String,
}

/// The longest that a page's registration is kept without its connection.
const MAX_GRACE: Duration = Duration::from_secs(300);

/// The most servers that pages are told of.
const MAX_ICE_SERVERS: usize = 8;

/// Everything that is wrong with the configuration.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |key: &str, text: String| found.push(Finding { key: key.to_owned(), text });

    if config.workers > 256 {
        say("workers", format!("{} is too many; at most 256, and one per processor (0) is best", config.workers));
    }
    if config.sip.listen.is_empty() {
        say("sip.listen", "the list is empty; name at least one address, for example \"0.0.0.0:5060\"".to_owned());
    }
    if config.sip.digest.is_empty() {
        say(
            "sip.digest",
            "the list is empty, so that no phone could prove who it is; name \"MD5\" at least".to_owned(),
        );
    }
    listeners(config, &mut say);
    tls(config, &mut say);
    for (i, entry) in config.sip.digest_for.iter().enumerate() {
        if entry.digest.is_empty() {
            let text = "the list is empty, so that no such phone could prove who it is; name \"MD5\" at least";
            say(&format!("sip.digest_for.{i}.digest"), text.to_owned());
        }
    }
    if config.security.ban_users == 0 || config.security.ban_failures == 0 {
        say("security", "0 would ban everybody at the first wrong password; write at least 1".to_owned());
    }
    if config.security.ban_max < config.security.ban {
        say("security.ban_max_seconds", "is shorter than ban_seconds; the longest ban cannot be".to_owned());
    }
    if config.sip.advertised.is_some_and(|ip| ip.is_unspecified()) {
        say("sip.advertised", "must be the address that others reach this host by, not a wildcard".to_owned());
    }
    ports(config, &mut say);
    if let Err(e) = crate::logging::parse_level(&config.log.level) {
        say("log.level", e);
    }
    let limits = [
        ("limits.streams", config.limits.streams),
        ("limits.streams_per_source", config.limits.streams_per_source),
        ("limits.silent_streams", config.limits.silent_streams),
    ];
    for (key, limit) in limits {
        if limit == 0 {
            say(key, "0 would let no stream in; turn TCP and TLS off by empty lists in [sip]".to_owned());
        }
    }
    if config.limits.contacts == 0 {
        say(
            "limits.contacts",
            "0 would let no phone register; write how many contacts an extension may have".to_owned(),
        );
    }
    if config.push.url.as_ref().is_some_and(|url| !url.starts_with("http://")) {
        say("push.url", "must begin with http://; the gateway is expected on this host or in this network".to_owned());
    }
    if config.webhooks.timeout > Duration::from_secs(60) {
        say(
            "webhooks.timeout_seconds",
            "a receiver that takes longer than 60 seconds is none; write 1 to 60".to_owned(),
        );
    }
    if config.webhooks.give_up_hours == 0 {
        say("webhooks.give_up_hours", "0 would tell nobody anything twice; write at least 1".to_owned());
    }
    webrtc(&config.webrtc, &mut say);
    if config.asr.url.as_ref().is_some_and(|url| !url.starts_with("ws://")) {
        say("asr.url", "must begin with ws://; the recogniser is expected on this host or in this network".to_owned());
    }
    if config.push.url.is_some() == config.push.providers.is_empty() {
        say("push.providers", "a url and the providers that are reached through it go together".to_owned());
    }
    for value in &config.sip.service_route {
        if !value.contains("sip") || value.contains(['\r', '\n']) {
            say("sip.service_route", format!("\"{value}\" is no route; write it like \"<sip:proxy.example.com;lr>\""));
        }
    }
    if config.limits.calls == 0 {
        say("limits.calls", "0 would refuse every call; write how many calls may exist at one time".to_owned());
    }
    numbers(config, &mut say);
    let streams = config.sip.tcp.iter().chain(config.sip.tls.iter()).flatten();
    let listen: Vec<_> = config.sip.listen.iter().chain(streams).copied().collect();
    super::trunk::findings(&config.trunks, &listen, &mut say);
    super::stir::findings(config, &mut say);
    for (i, trunk) in config.trunks.iter().enumerate() {
        dialling(trunk, i, &mut say);
    }
    routes(config, &mut say);
    found
}

/// Every address that something listens on: UDP may share it with one that listens by TCP.
fn listeners(config: &Config, say: &mut impl FnMut(&str, String)) {
    let mut udp = BTreeSet::new();
    for address in &config.sip.listen {
        if !udp.insert(*address) {
            say("sip.listen", format!("{address} is named twice; remove one"));
        }
    }
    // As long as that callers may wait in silence.
    if config.sip.grace > MAX_GRACE {
        say("sip.grace_seconds", format!("must be at most {}", MAX_GRACE.as_secs()));
    }
    let (tls, https) = (config.sip_tls(), config.https());
    let http = [config.http.listen];
    let streams: [(&str, &[_]); 6] = [
        ("sip.tcp", config.sip_tcp()),
        ("sip.tls", &tls),
        ("sip.ws", &config.sip.ws),
        ("sip.wss", &config.sip.wss),
        ("http.listen", &http),
        ("http.tls", &https),
    ];
    let mut seen: Vec<(&str, std::net::SocketAddr)> = Vec::new();
    for (key, addresses) in streams {
        for address in addresses.iter().filter(|address| address.port() != 0) {
            let clash = |(_, other): &&(&str, std::net::SocketAddr)| {
                let any = other.ip().is_unspecified() || address.ip().is_unspecified();
                other.port() == address.port()
                    && other.is_ipv4() == address.is_ipv4()
                    && (any || other.ip() == address.ip())
            };
            if let Some((other, _)) = seen.iter().find(clash) {
                say(key, format!("{address} is taken by {other}; choose another port"));
            }
            seen.push((key, *address));
        }
    }
}

fn webrtc(webrtc: &super::WebRtc, say: &mut impl FnMut(&str, String)) {
    let kind = |url: &str| ["stun:", "stuns:", "turn:", "turns:"].into_iter().find(|kind| url.starts_with(kind));
    for (i, url) in webrtc.ice_servers.iter().enumerate() {
        if kind(url).is_none_or(|kind| url.len() == kind.len() || url.contains(char::is_whitespace)) {
            let text = format!("\"{url}\" must begin with stun:, stuns:, turn: or turns:, and a host follow");
            say(&format!("webrtc.ice_servers.{i}"), text);
        }
    }
    if webrtc.ice_servers.len() > MAX_ICE_SERVERS {
        // Browsers grow slow with more than a few, and say so.
        say("webrtc.ice_servers", format!("holds at most {MAX_ICE_SERVERS}"));
    }
    let relays = webrtc.ice_servers.iter().any(|url| url.starts_with("turn"));
    match &webrtc.turn_secret {
        None if relays => say("webrtc.ice_servers", "a turn: server needs turn_secret, which it knows too".to_owned()),
        Some(secret) if secret.len() < 16 => {
            say("webrtc.turn_secret", "write at least 16 characters: whoever guesses it uses your server".to_owned());
        }
        Some(_) | None => {}
    }
}

fn tls(config: &Config, say: &mut impl FnMut(&str, String)) {
    let asked = config.tls.client_certificates != super::ClientCertificates::None;
    if asked && config.tls.client_authority.is_none() {
        say("tls.client_certificates", "needs client_authority, the file of the authority that gives them".to_owned());
    }
    for origin in &config.sip.origins {
        let of_a_page = origin == "*" || origin.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        if !of_a_page {
            say(
                "sip.origins",
                format!("\"{origin}\" is no origin; write it like \"https://crm.example\", without a path"),
            );
        }
    }
    if config.acme.domains.is_empty() {
        return;
    }
    if !config.acme.accept_terms {
        say(
            "acme.domains",
            "the authority wants its terms accepted: read them, then set accept_terms = true".to_owned(),
        );
    }
    if !config.acme.directory.starts_with("https://") {
        say("acme.directory", "must be the https:// address of an ACME directory".to_owned());
    }
    if let Some(wild) = config.acme.domains.iter().find(|name| name.contains('*')) {
        say("acme.domains", format!("\"{wild}\" cannot be proved by HTTP; name each host"));
    }
}

/// The most addresses that a page is told.
const MAX_CANDIDATES: usize = 8;

fn ports(config: &Config, say: &mut impl FnMut(&str, String)) {
    let range = config.media.ports;
    if range.first < 1024 {
        say("media.ports", format!("{} is a system port; begin at 1024 or above", range.first));
    }
    let numbers = u32::from(range.last).saturating_sub(range.first.into()) + 1;
    if range.last <= range.first {
        say("media.ports", format!("{range} is empty; write the smaller number first"));
    } else if numbers < 8 * u32::from(config.worker_count()) {
        say(
            "media.ports",
            format!("{range} is too small for {} workers; each call takes 4 ports", config.worker_count()),
        );
    }
    if config.media.candidates.len() > MAX_CANDIDATES {
        say("media.candidates", format!("at most {MAX_CANDIDATES}: a page tries them all"));
    }
    if let Some(ip) = config.media.candidates.iter().find(|ip| ip.is_unspecified() || ip.is_multicast()) {
        say("media.candidates", format!("{ip} is no address that a page could send to"));
    }
    for address in &config.sip.listen {
        if (range.first..=range.last).contains(&address.port()) {
            say("media.ports", format!("the range holds port {} of sip.listen; choose another range", address.port()));
        }
    }
}

fn routes(config: &Config, say: &mut impl FnMut(&str, String)) {
    for (i, route) in config.routes.iter().enumerate() {
        if !is_pattern(&route.number) {
            let text =
                format!("\"{}\" is no number; write digits, with a * at the end for all that begin so", route.number);
            say(&format!("route.{i}.number"), text);
        }
        let same = |r: &super::Route| {
            r.number == route.number
                && r.from_trunk == route.from_trunk
                && r.from_addresses == route.from_addresses
                && (r.hours.is_empty() || r.hours == route.hours)
                && r.hours.is_empty() == route.hours.is_empty()
        };
        if config.routes[..i].iter().any(same) {
            let text = format!("there is another route for {} already, so that this one is never taken", route.number);
            say(&format!("route.{i}.number"), text);
        }
        targets(config, i, route, &mut *say);
        source_of(config, i, route, &mut *say);
        hours(&route.hours, &format!("route.{i}.hours"), &mut *say);
        if !(5..=600).contains(&route.ring_seconds) {
            say(&format!("route.{i}.ring_seconds"), "must be from 5 to 600".to_owned());
        }
    }
}

fn targets(config: &Config, i: usize, route: &super::Route, say: &mut impl FnMut(&str, String)) {
    match route.targets().as_slice() {
        [] => say(&format!("route.{i}"), "leads nowhere; add trunk = \"…\" or extension = \"…\"".to_owned()),
        [_] => {}
        [_, ..] => say(&format!("route.{i}"), "leads to more than one thing; keep one".to_owned()),
    }
    for to in route.targets() {
        if let model::RouteTarget::Program(program) = to
            && let Err(why) = program.check()
        {
            say(&format!("route.{i}.program"), why);
        }
    }
    let key = if route.trunk.is_some() { "trunk" } else { "trunks" };
    for name in route.trunk_names() {
        match config.trunks.iter().find(|t| t.name == name) {
            None => {
                let text = format!("there is no trunk \"{name}\"; add a [[trunk]] of that name");
                say(&format!("route.{i}.{key}"), text);
            }
            Some(t) if t.target.is_none() => {
                let text = format!("trunk \"{name}\" has no target, so it cannot be called; add one");
                say(&format!("route.{i}.{key}"), text);
            }
            Some(_) => {}
        }
    }
    for (at, way) in route.trunks.iter().enumerate() {
        if route.trunks[..at].iter().any(|other| other.trunk() == way.trunk()) {
            say(&format!("route.{i}.trunks"), format!("\"{}\" is named twice; remove one", way.trunk()));
        }
    }
    if route.trunk_names().next().is_none() && (route.go_on.is_some() || route.price_per_minute.is_some()) {
        say(&format!("route.{i}"), "only a route to trunks has go_on or a price; remove them".to_owned());
    }
}

fn source_of(config: &Config, i: usize, route: &super::Route, say: &mut impl FnMut(&str, String)) {
    match &route.from_trunk {
        None if !route.from_addresses.is_empty() => {
            let text = "from_addresses are those of a trunk; name it with from_trunk".to_owned();
            say(&format!("route.{i}.from_addresses"), text);
        }
        None if config.numbers.emergency.contains(&route.number) => {
            let text = format!("{} is an emergency number of [numbers], so the route is never taken", route.number);
            say(&format!("route.{i}.number"), text);
        }
        None => {}
        Some(name) => match config.trunks.iter().find(|t| t.name == *name) {
            None => {
                let text = format!("there is no trunk \"{name}\"; add a [[trunk]] of that name");
                say(&format!("route.{i}.from_trunk"), text);
            }
            Some(trunk) => {
                for address in
                    route.from_addresses.iter().filter(|ip| !trunk.addresses.iter().any(|a| a.net.contains(**ip)))
                {
                    let text = format!("{address} is no address of trunk \"{name}\", so the route is never taken");
                    say(&format!("route.{i}.from_addresses"), text);
                }
            }
        },
    }
}

fn hours(texts: &[String], key: &str, say: &mut impl FnMut(&str, String)) {
    if let Err(text) = route::Hours::parse(texts) {
        say(key, text);
    }
}

fn is_pattern(text: &str) -> bool {
    let digits = text.strip_suffix('*').unwrap_or(text);
    let fits = |c: char| c.is_ascii_alphanumeric() || "._+#-".contains(c);
    !text.is_empty() && text.len() <= 32 && digits.chars().all(fits)
}

/// Digits that come into a SIP address: nothing that could end one.
fn is_dialled(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+*#._-".contains(&b))
}

fn numbers(config: &Config, say: &mut impl FnMut(&str, String)) {
    let numbers = &config.numbers;
    for (key, value) in [
        ("country_code", &numbers.country_code),
        ("national_prefix", &numbers.national_prefix),
        ("international_prefix", &numbers.international_prefix),
        ("area_code", &numbers.area_code),
    ] {
        if value.len() > 8 || !value.bytes().all(|b| b.is_ascii_digit()) {
            say(&format!("numbers.{key}"), format!("\"{value}\" are no digits"));
        }
    }
    if let Err(text) = numbers.to_model() {
        say("numbers.local_mobiles_file", text);
    }
    for (key, holidays, workdays) in [
        ("timezone", [].as_slice(), [].as_slice()),
        ("holidays", &numbers.holidays, &[]),
        ("workdays", &[], &numbers.workdays),
    ] {
        let zone = if key == "timezone" { &numbers.timezone } else { "UTC" };
        if let Err(text) = route::Calendar::new(zone, holidays, workdays) {
            say(&format!("numbers.{key}"), text);
        }
    }
    if let Err(text) = numbers.star_codes.check() {
        say("numbers.star_codes", text);
    }
    for name in &numbers.emergency_trunks {
        if !config.trunks.iter().any(|t| t.name == *name && t.target.is_some()) {
            let text =
                format!("there is no trunk \"{name}\" that can be called; add a [[trunk]] of that name with a target");
            say("numbers.emergency_trunks", text);
        }
    }
    let lists = [
        ("numbers.local_mobiles", &numbers.local_mobiles),
        ("numbers.emergency", &numbers.emergency),
        ("rights.local", &config.rights.local),
        ("rights.national", &config.rights.national),
        ("rights.international", &config.rights.international),
        ("blocked.callers", &config.blocked.callers),
        ("blocked.called", &config.blocked.called),
    ];
    for (key, list) in lists {
        for text in list.iter().filter(|text| !is_pattern(text)) {
            say(key, format!("\"{text}\" is no number; write digits, with a * at the end for all that begin so"));
        }
    }
}

fn dialling(trunk: &Trunk, i: usize, say: &mut impl FnMut(&str, String)) {
    let settings = &trunk.dialling;
    let key = |name: &str| format!("trunk.{i}.dialling.{name}");
    hours(&settings.hours, &key("hours"), &mut *say);
    let prefixes = [
        ("prefix", &settings.prefix),
        ("mobile_prefix", &settings.mobile_prefix),
        ("fixed_prefix", &settings.fixed_prefix),
    ];
    for (name, text) in prefixes.into_iter().filter(|(_, text)| !is_dialled(text)) {
        say(&key(name), format!("\"{text}\" cannot be dialled; write digits"));
    }
    for text in settings.caller_numbers.iter().filter(|text| text.is_empty() || !is_dialled(text)) {
        say(&key("caller_numbers"), format!("\"{text}\" is no number"));
    }
    let needs = matches!(settings.caller, model::CallerChoice::Fixed | model::CallerChoice::RoundRobin);
    if needs && settings.caller_numbers.is_empty() {
        say(&key("caller"), "needs numbers to show; add caller_numbers = [\"…\"]".to_owned());
    }
    let rules = [
        ("rewrite", &settings.rewrite),
        ("inbound_rewrite", &settings.inbound_rewrite),
        ("inbound_caller_rewrite", &settings.inbound_caller_rewrite),
    ];
    for (name, rules) in rules {
        for (at, rule) in rules.iter().enumerate() {
            if !is_dialled(&rule.begins) || !is_dialled(&rule.prepend) {
                say(&key(name), format!("rule {}: write digits in begins and prepend", at + 1));
            }
            if let Some(before) = rules[..at].iter().find(|b| b.length.is_none() && rule.begins.starts_with(&b.begins))
            {
                let text = format!("rule {} is never reached: \"{}\" before it fits first", at + 1, before.begins);
                say(&key(name), text);
            }
        }
    }
    for name in &settings.codecs {
        if !model::is_codec_name(name) {
            say(&key("codecs"), format!("\"{name}\" is no codec; write names as in SDP: \"PCMA\", \"G722\""));
        }
    }
}

/// What is right, but will surprise: told by `patchbay check`, and logged at the start.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let unsupported = |route: &super::Route| {
        route.targets().into_iter().find_map(|to| match to {
            model::RouteTarget::Flow(name) => Some(format!("flow \"{name}\"")),
            model::RouteTarget::Extension(_)
            | model::RouteTarget::Trunks(_)
            | model::RouteTarget::Queue(_)
            | model::RouteTarget::RingGroup(_)
            | model::RouteTarget::Mailbox(_)
            | model::RouteTarget::Conference(_)
            | model::RouteTarget::Program(_)
            | model::RouteTarget::Prompt { .. } => None,
        })
    };
    let mut told: Vec<String> = config
        .routes
        .iter()
        .filter_map(|route| {
            let what = unsupported(route)?;
            Some(format!(
                "route {} leads to {what}, which this version does not have: callers hear that nobody is there",
                route.number
            ))
        })
        .collect();
    let limits = &config.limits;
    let cost = limits.extension_cost_per_day.is_some() || limits.cost_per_day.is_some();
    let priced = config.trunks.iter().any(|t| t.dialling.price_per_minute > 0)
        || config.routes.iter().any(|r| r.price_per_minute.is_some_and(|price| price > 0));
    if cost && !priced {
        told.push(
            "a daily cap of cost is set, but no trunk and no route has a price, so that it never counts".to_owned(),
        );
    }
    told
}
