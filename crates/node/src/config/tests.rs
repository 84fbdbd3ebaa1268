use super::*;
use std::net::SocketAddr;
use std::time::Duration;

fn wrong(text: &str) -> Vec<Problem> {
    parse(text, []).unwrap_err()
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = parse("", []).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.sip.listen[0].to_string(), "0.0.0.0:5060");
    assert_eq!(config.media.ports.to_string(), "20000-39999");
    assert!(config.worker_count() >= 1);
}

#[test]
fn streams_are_listened_for_beside_udp_unless_something_else_is_said() {
    let shown = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = parse("[sip]\nlisten = [\"10.0.0.1:5070\", \"[::1]:5070\"]", []).unwrap();
    assert_eq!(shown(config.sip_tcp()), ["10.0.0.1:5070", "[::1]:5070"]);
    assert_eq!(shown(&config.sip_tls()), ["10.0.0.1:5071", "[::1]:5071"]);
    assert_eq!(shown(&config.https()), ["0.0.0.0:9443"]);
    let config = parse("[sip]\ntcp = []\ntls = \"10.0.0.1:5061\"\n[http]\nlisten = \"127.0.0.1:8080\"", []).unwrap();
    assert_eq!((shown(config.sip_tcp()).len(), shown(&config.https()).len()), (0, 0));
    assert_eq!(shown(&config.sip_tls()), ["10.0.0.1:5061"]);
}

#[test]
fn a_wrong_key_or_value_is_named_with_its_line_and_what_to_do() {
    for (text, line, says) in [
        ("[sip]\nlissten = []", 2, "lissten"),
        ("\n\n[sipp]\n", 3, "sipp"),
        ("[sip]\ndigest = [\"SHA1\"]", 2, "SHA-512-256"),
        ("[sip]\ndigest = []", 2, "no phone could prove"),
        ("[sip]\nlisten = [\"5060\"]", 2, "write it like \"0.0.0.0:5060\""),
        ("[http]\nlisten = \"localhost:80\"", 2, "is no address with a port"),
        ("[media]\nports = \"1-x\"", 2, "write it like \"20000-39999\""),
        ("[media]\ntimeout_seconds = \"60s\"", 2, "whole seconds"),
        ("[media]\ntimeout_seconds = 0", 2, "at least 1 second"),
        ("[media]\n\ncountry = \"xx\"", 3, "none of cn, us"),
        ("[[route]]\nnumber = 9000\ntrunk = \"a\"", 2, "in quotes: \"9000\""),
        ("[sip]\ntls = [\"0.0.0.0:5060\"]", 2, "is taken by sip.tcp"),
        ("[sip]\norigins = [\"crm.example\"]", 2, "is no origin"),
        ("[tls]\nclient_certificates = \"require\"", 2, "needs client_authority"),
        ("[acme]\ndomains = [\"pbx.example\"]", 2, "accept_terms"),
        ("[limits]\nstreams = 0", 2, "no stream"),
        ("[recording]\nname = \"{yyyy}\"", 2, "{call} must be in it"),
        ("[recording]\nname = \"../{call}\"", 2, "write it like"),
        ("[recording]\nmax_file_mb = 5000", 2, "from 1 to 4000"),
        ("data_dir = ", 1, "value"),
        ("[log]\nlevel = \"loud\"", 2, "\"loud\" is no level"),
        ("[[trunk]]\nname = \"a\"\ntarget = \"0.0.0.0:5060\"", 3, "must be a host or an address"),
        ("[[trunk]]\nname = \"a\"\ntarget = \"b\"\nregister = true", 4, "needs a username"),
        ("[[trunk]]\nname = \"a\"\ntarget = \"b\"\nlistener = \"192.0.2.1:1\"", 4, "none of our addresses"),
        ("[[trunk]]\nname = \"a\"\ntarget = \"b\"\nqualify_seconds = 2", 4, "5 to 3600"),
        ("[[trunk]]\nname = \"a\"\ntarget = \"b\"\nstir = \"verify\"", 4, "needs [stir] roots"),
        ("[[trunk]]\nname = \"a\"\ntarget = \"b\"\nstir_sign = true", 4, "needs [stir] key"),
        ("[stir]\nkey = \"a.key\"\ncertificate_url = \"https://x\"", 2, "needs origid"),
        ("[webrtc]\nice_servers = [\"turn:x\"]", 2, "needs turn_secret"),
        ("[webrtc]\nice_servers = [\"http://x\"]", 2, "must begin with"),
        ("[webrtc]\nturn_secret = \"short\"\nice_servers = [\"turn:x\"]", 2, "at least 16"),
        ("[sip]\ngrace_seconds = 301", 2, "at most 300"),
        ("[asr]\nurl = \"http://x\"", 2, "must begin with ws://"),
        ("[webhooks]\ntimeout_seconds = 61", 2, "write 1 to 60"),
        ("[webhooks]\ngive_up_hours = 0", 2, "at least 1"),
        ("[push]\nurl = \"ftp://x\"\nproviders = [\"fcm\"]", 2, "must begin with http://"),
    ] {
        let problems = wrong(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].line, Some(line), "{text}: {problems:?}");
        assert!(problems[0].text.contains(says), "{text}: {problems:?}");
    }
}

#[test]
fn things_that_do_not_fit_together_are_all_told_in_order_of_lines() {
    let text = "[media]\nports = \"5000-5100\"\n\n[[trunk]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n\n\
                [[trunk]]\nname = \"b\"\naddresses = [\"192.0.2.1\"]\n\n\
                [[route]]\nnumber = \"9*\"\ntrunk = \"a\"\n\n[[route]]\nnumber = \"8*\"\ntrunk = \"nobody\"\n\n\
                [[route]]\nnumber = \"7*\"\n\n[[route]]\nnumber = \"6*\"\nfrom_trunk = \"c\"\nextension = \"1001\"\n";
    let problems = wrong(text);
    let told: Vec<_> = problems.iter().map(|p| (p.line.unwrap(), p.key.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "media.ports"),
            (10, "trunk.1.addresses"),
            (14, "route.0.trunk"),
            (18, "route.1.trunk"),
            (20, "route.2"),
            (25, "route.3.from_trunk"),
        ]
    );
}

#[test]
fn routes_that_make_no_sense_are_told_with_the_reason() {
    let trunks = "[[trunk]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\ntarget = \"192.0.2.1:5060\"\n\n";
    let key = "hours = [\"Mon 09:00-10:00\"]\n";
    for (text, key, says) in [
        ("[[route]]\nnumber = \"9*\"\ntrunks = [\"a\", \"c\"]".to_owned(), "route.0.trunks", "no trunk \"c\""),
        ("[[route]]\nnumber = \"9*\"\ntrunks = [\"a\", \"a\"]".to_owned(), "route.0.trunks", "named twice"),
        ("[[route]]\nnumber = \"110\"\ntrunk = \"a\"".to_owned(), "route.0.number", "emergency number"),
        (
            "[[route]]\nnumber = \"9*\"\ntrunk = \"a\"\n[[route]]\nnumber = \"9*\"\nextension = \"1001\"".to_owned(),
            "route.1.number",
            "never taken",
        ),
        (
            "[[route]]\nnumber = \"9*\"\nfrom_trunk = \"a\"\nfrom_addresses = [\"192.0.2.9\"]\nextension = \"1\""
                .to_owned(),
            "route.0.from_addresses",
            "never taken",
        ),
        ("[[route]]\nnumber = \"9*\"\ntrunk = \"a\"\nhours = [\"noon\"]".to_owned(), "route.0.hours", "no hours"),
        ("[[route]]\nnumber = \"9*\"\ntrunk = \"a\"\nqueue = \"q\"".to_owned(), "route.0", "more than one"),
        (
            "[[route]]\nnumber = \"9*\"\nqueue = \"q\"\nprice_per_minute = 1".to_owned(),
            "route.0",
            "only a route to trunks",
        ),
        ("[numbers]\ntimezone = \"Mars\"".to_owned(), "numbers.timezone", "no time zone"),
        ("[numbers]\nholidays = [\"2026-02-30\"]".to_owned(), "numbers.holidays", "no day"),
        ("[numbers]\nemergency_trunks = [\"c\"]".to_owned(), "numbers.emergency_trunks", "no trunk \"c\""),
        ("[blocked]\ncallers = [\"x y\"]".to_owned(), "blocked.callers", "no number"),
    ] {
        let problems = wrong(&format!("{trunks}{text}"));
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].key, key, "{text}");
        assert!(problems[0].text.contains(says), "{text}: {problems:?}");
    }
    // The same number in other hours is another route.
    let fine =
        format!("{trunks}[[route]]\nnumber = \"9*\"\ntrunk = \"a\"\n{key}[[route]]\nnumber = \"9*\"\nflow = \"q\"");
    let config = parse(&fine, []).unwrap();
    assert!(config.warnings().iter().any(|warning| warning.contains("flow \"q\"")), "{:?}", config.warnings());
    let dialling = |lines: &str| wrong(&format!("{trunks}[trunk.dialling]\n{lines}")).remove(0);
    assert!(dialling("caller = \"fixed\"").text.contains("caller_numbers"));
    assert!(dialling("price_per_minute = \"x\"").text.contains("an amount like 0.12"));
    assert!(dialling("rewrite = [{ begins = \"0\" }, { begins = \"00\" }]").text.contains("rule 2 is never reached"));
    assert!(dialling("rewrite = [{ begins = \"0\", length = \"9-1\" }]").text.contains("no length"));
}

#[test]
fn the_environment_overrides_the_file() {
    let text = "[sip]\nlisten = [\"127.0.0.1:5070\"]\n[http]\nlisten = \"127.0.0.1:1\"";
    let vars = env(&[
        ("PATCHBAY_HTTP__LISTEN", "127.0.0.1:8080"),
        ("PATCHBAY_SIP__LISTEN", "127.0.0.1:5080, 127.0.0.2:5080"),
        ("PATCHBAY_WORKERS", "3"),
        ("PATCHBAY_DATA_DIR", "/var/lib/patchbay"),
        ("PATCHBAY_CALL__RECORD", "true"),
        ("PATCHBAY_MEDIA__TIMEOUT_SECONDS", "7"),
        ("PATCHBAY_TRUNK", "[{ name = \"5\", target = \"192.0.2.1:5060\" }]"),
        ("PATCHBAY_CONFIG", "elsewhere.toml"),
        ("PATH", "/bin"),
    ]);
    let config = parse(text, vars).unwrap();
    assert_eq!(config.http.listen.port(), 8080);
    assert_eq!(config.sip.listen.len(), 2);
    assert_eq!(config.workers, 3);
    assert_eq!(config.data_dir, Path::new("/var/lib/patchbay"));
    assert!(config.call.record);
    assert_eq!(config.media.timeout, Duration::from_secs(7));
    assert_eq!(config.trunks[0].name, "5");
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, says) in [
        ("PATCHBAY_SIP__LISTN", "x", "listn"),
        ("PATCHBAY_HTTP__LISTEN", "x", "is no address"),
        ("PATCHBAY_WORKERS", "many", "invalid type"),
        ("PATCHBAY_LOG__LEVEL", "loud", "is no level"),
        ("PATCHBAY_WORKERS__X", "1", "no section"),
    ] {
        let problems = parse("workers = 1", env(&[(name, value)])).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].line, problems[0].key.as_str()), (None, name));
        assert!(problems[0].text.contains(says), "{problems:?}");
    }
}

#[test]
fn the_sample_file_is_valid_has_every_key_and_shows_the_defaults() {
    let text = include_str!("../../../../deploy/patchbay.toml");
    assert_eq!(parse(text, []).unwrap_or_else(|p| panic!("{p:?}")), Config::default());
    // With every example in it switched on it is still valid, and no key is missing.
    let all: String = text.lines().map(|l| l.strip_prefix("#: ").unwrap_or(l)).flat_map(|l| [l, "\n"]).collect();
    let config = parse(&all, []).unwrap_or_else(|p| panic!("{p:?}"));
    assert!(!config.trunks.is_empty() && !config.routes.is_empty());
    let table: toml::Table = toml::from_str(&all).unwrap();
    let keys = |section: &str| -> Vec<String> {
        let value = &table[section];
        let tables: Vec<&toml::Table> = value
            .as_array()
            .map_or_else(|| vec![value], |a| a.iter().collect())
            .into_iter()
            .map(|v| v.as_table().unwrap())
            .collect();
        tables.into_iter().flat_map(|t| t.keys().cloned()).collect()
    };
    for (section, known) in [
        (
            "sip",
            &[
                "listen",
                "tcp",
                "tls",
                "ws",
                "wss",
                "origins",
                "idle_seconds",
                "grace_seconds",
                "session_seconds",
                "reliable_ringing",
                "advertised",
                "digest",
                "service_route",
                "pass_headers",
                "pass_diversion",
                "trust_trunk_identity",
                "identity_to_trunks",
                "identity_to_phones",
            ][..],
        ),
        ("tls", &["client_certificates", "client_authority"]),
        ("certificate", &["chain", "key"]),
        ("acme", &["directory", "domains", "contact", "accept_terms", "challenge", "listen", "authority"]),
        (
            "media",
            &[
                "ports",
                "timeout_seconds",
                "srtp",
                "voice_events",
                "g729",
                "country",
                "music",
                "music_volume",
                "prompts",
                "speech_url",
            ],
        ),
        (
            "call",
            &[
                "announce",
                "language",
                "forking",
                "redirect",
                "early_media",
                "pick_up",
                "recall",
                "record",
                "drain_seconds",
            ],
        ),
        (
            "recording",
            &[
                "dir",
                "min_free_mb",
                "mixed",
                "beep",
                "beep_seconds",
                "max_file_mb",
                "key_file",
                "old_key_files",
                "name",
                "format",
                "keep_days",
                "max_gb",
            ],
        ),
        (
            "recording_store",
            &["endpoint", "bucket", "region", "prefix", "path_style", "access_key", "secret_key", "keep"],
        ),
        ("store", &["sync_every_write", "traces"]),
        ("http", &["listen", "tls"]),
        ("log", &["format", "level"]),
        (
            "limits",
            &[
                "calls",
                "streams",
                "streams_per_source",
                "silent_streams",
                "contacts",
                "extension_cost_per_day",
                "extension_minutes_per_day",
                "cost_per_day",
                "minutes_per_day",
            ],
        ),
        (
            "numbers",
            &[
                "country",
                "country_code",
                "national_prefix",
                "international_prefix",
                "area_code",
                "local_mobiles",
                "emergency",
                "emergency_trunks",
                "timezone",
                "holidays",
                "workdays",
                "star_codes",
            ],
        ),
        ("rights", &["default", "local", "national", "international"]),
        ("blocked", &["callers", "called"]),
        ("stir", &["roots", "private_servers", "servers_authority", "key", "certificate_url", "origid", "own_numbers"]),
        ("webrtc", &["tcp", "ice_servers", "turn_secret", "turn_seconds"]),
        ("push", &["url", "providers", "wait_seconds"]),
        ("webhooks", &["private", "timeout_seconds", "give_up_hours"]),
        ("asr", &["url"]),
        (
            "trunk",
            &[
                "name",
                "enabled",
                "addresses",
                "target",
                "transport",
                "tls_verify",
                "outbound_proxy",
                "listener",
                "username",
                "auth_username",
                "password",
                "domain",
                "register",
                "register_seconds",
                "inbound_username",
                "inbound_password",
                "qualify_seconds",
                "max_calls",
                "calls_per_second",
                "transfers",
                "srtp",
                "inband_dtmf",
                "call_progress",
                "media_timeout_seconds",
                "record",
                "stir",
                "stir_sign",
                "dialling",
            ],
        ),
        (
            "route",
            &[
                "number",
                "from_trunk",
                "from_addresses",
                "trunk",
                "trunks",
                "extension",
                "queue",
                "ring_group",
                "mailbox",
                "flow",
                "conference",
                "prompt",
                "times",
                "go_on",
                "record",
                "strip",
                "prefix",
                "hours",
                "ring_seconds",
                "price_per_minute",
                "price_step_seconds",
            ],
        ),
    ] {
        for key in known {
            assert!(keys(section).iter().any(|k| k == key), "{key} of [{section}] is not in deploy/patchbay.toml");
        }
    }
}
