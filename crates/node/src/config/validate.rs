//! What must fit together: things that a single value cannot show.

use super::{Config, Trunk};
use std::collections::BTreeSet;

/// Something wrong at a key, as a path like `trunk.0.target`.
pub(super) struct Finding {
    pub(super) key: String,
    pub(super) text: String,
}

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
    if config.limits.calls == 0 {
        say("limits.calls", "0 would refuse every call; write how many calls may exist at one time".to_owned());
    }
    trunks(&config.trunks, &mut say);
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
    for address in &config.sip.listen {
        if (range.first..=range.last).contains(&address.port()) {
            say("media.ports", format!("the range holds port {} of sip.listen; choose another range", address.port()));
        }
    }
}

fn trunks(trunks: &[Trunk], say: &mut impl FnMut(&str, String)) {
    for (i, trunk) in trunks.iter().enumerate() {
        if trunk.name.trim().is_empty() {
            say(&format!("trunk.{i}.name"), "is empty; give the trunk a name, routes refer to it".to_owned());
        }
        if trunks[..i].iter().any(|t| t.name == trunk.name) {
            say(&format!("trunk.{i}.name"), format!("\"{}\" is another trunk's name already", trunk.name));
        }
        if trunk.addresses.is_empty() && trunk.target.is_none() {
            say(&format!("trunk.{i}"), "has neither addresses (to be called from) nor a target (to call)".to_owned());
        }
        if trunk.target.is_some_and(|t| t.port() == 0 || t.ip().is_unspecified()) {
            say(&format!("trunk.{i}.target"), "must be an address and port that calls can be sent to".to_owned());
        }
        for address in &trunk.addresses {
            if trunks[..i].iter().any(|t| t.addresses.contains(address)) {
                say(&format!("trunk.{i}.addresses"), format!("{address} belongs to another trunk already"));
            }
        }
    }
}

fn routes(config: &Config, say: &mut impl FnMut(&str, String)) {
    let trunk = |name: &str| config.trunks.iter().find(|t| t.name == name);
    for (i, route) in config.routes.iter().enumerate() {
        let digits = route.number.strip_suffix('*').unwrap_or(&route.number);
        let fits = |c: char| c.is_ascii_alphanumeric() || "._+#-".contains(c);
        if route.number.is_empty() || route.number.len() > 32 || !digits.chars().all(fits) {
            let text =
                format!("\"{}\" is no number; write digits, with a * at the end for all that begin so", route.number);
            say(&format!("route.{i}.number"), text);
        }
        let same = |r: &super::Route| r.number == route.number && r.from_trunk == route.from_trunk;
        if config.routes[..i].iter().any(same) {
            say(&format!("route.{i}.number"), format!("there is another route for {} already", route.number));
        }
        match (&route.trunk, &route.extension) {
            (Some(_), Some(_)) => {
                say(&format!("route.{i}"), "leads to a trunk and to an extension; keep one".to_owned());
            }
            (None, None) => {
                say(&format!("route.{i}"), "leads nowhere; add trunk = \"…\" or extension = \"…\"".to_owned());
            }
            (Some(name), None) => match trunk(name) {
                None => say(
                    &format!("route.{i}.trunk"),
                    format!("there is no trunk \"{name}\"; add a [[trunk]] of that name"),
                ),
                Some(t) if t.target.is_none() => {
                    say(
                        &format!("route.{i}.trunk"),
                        format!("trunk \"{name}\" has no target, so it cannot be called; add one"),
                    );
                }
                Some(_) => {}
            },
            (None, Some(_)) => {}
        }
        if let Some(name) = &route.from_trunk
            && trunk(name).is_none()
        {
            say(
                &format!("route.{i}.from_trunk"),
                format!("there is no trunk \"{name}\"; add a [[trunk]] of that name"),
            );
        }
    }
}
