//! What one side of a call learns of the other, and what it must not.

#![allow(clippy::unwrap_used)] // helpers of tests

use patchbay_tests::{connect, converse, part};
use sim::{Conduct, Phone, Setup, World, secs};

/// The caller reaches the called phone, they talk, and the record's ladder is returned.
fn talk(world: &World, caller: &Phone, number: &str, called: &Phone) -> String {
    called.set_conduct(Conduct::Answer(secs(1)));
    caller.dial(number);
    connect(world, caller, called);
    converse(world, caller, called);
    called.hang_up();
    part(world, caller, called);
    world.run_for(secs(6));
    world.trace(world.record().id).unwrap()
}

/// No message to one side names anything of the other.
fn assert_hidden(trace: &str, one: &Phone, other: &Phone) {
    let lines: Vec<serde_json::Value> = serde_json::from_str(trace).unwrap();
    let told = |phone: &Phone| {
        let address = phone.address().to_string();
        let sent = lines.iter().filter(move |line| line["sent"] == true && line["remote"] == address.as_str());
        let texts: Vec<String> = sent.map(|line| line["text"].as_str().unwrap().to_owned()).collect();
        assert!(!texts.is_empty());
        texts
    };
    for (to, of) in [(one, other), (other, one)] {
        for text in told(to) {
            for secret in [of.address().ip().to_string(), of.call_id(), "SimPhone".to_owned()] {
                assert!(!text.contains(&secret), "{to:?} is told {secret} of {of:?}:\n{text}");
            }
        }
    }
}

#[test]
fn neither_side_sees_addresses_dialogs_or_programs_of_the_other() {
    let world = World::new(Setup::new(7));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ana.add_header("X-Secret", &ana.address().to_string());
    let trace = talk(&world, &ana, "101", &ben);
    assert_hidden(&trace, &ana, &ben);
    let world = World::new(Setup::new(7).trunk("carrier", "0*"));
    let (ana, carrier) = (world.phone("100"), world.trunk("carrier"));
    let trace = talk(&world, &ana, "0571", &carrier);
    assert_hidden(&trace, &ana, &carrier);
}

#[test]
fn only_headers_on_the_list_pass() {
    let world = World::new(Setup::new(7).tuned(|config| config.identity.pass_headers = vec!["X-Acc*".into()]));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ana.add_header("X-Account", "42;from=shop");
    ana.add_header("X-Other", "1");
    talk(&world, &ana, "101", &ben);
    assert!(ben.invite().contains("X-Account: 42;from=shop\r\n"), "{}", ben.invite());
    assert!(!ben.invite().contains("X-Other"));
}

#[test]
fn who_wants_to_stay_private_is_anonymous_to_the_called_party_and_on_record() {
    let world = World::new(Setup::new(7));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ana.add_header("Privacy", "id");
    talk(&world, &ana, "101", &ben);
    let invite = ben.invite();
    assert!(invite.contains("sip:anonymous@anonymous.invalid") && invite.contains("Privacy: id\r\n"), "{invite}");
    assert!(!invite.contains("sip:100@"), "{invite}");
    assert_eq!(world.record().caller, "100");
}

#[test]
fn a_trunk_is_told_the_asserted_identity_and_tells_it() {
    let setup = Setup::new(7).trunk("carrier", "0*").tuned(|config| config.identity.tell_trunks = true);
    let world = World::new(setup);
    let (ana, carrier) = (world.phone("100"), world.trunk("carrier"));
    ana.add_header("Privacy", "id");
    talk(&world, &ana, "0571", &carrier);
    let invite = carrier.invite();
    let asserted = invite.lines().find(|line| line.starts_with("P-Asserted-Identity:")).unwrap_or_default();
    assert!(asserted.contains("<sip:100@192.0.2.1") && invite.contains("Privacy: id"), "{invite}");
    assert!(invite.contains("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>"), "{invite}");

    let world = World::new(Setup::new(7).trunk("carrier", "0*"));
    let (ana, carrier) = (world.phone("100"), world.trunk("carrier"));
    carrier.add_header("P-Asserted-Identity", "\"Ben\" <sip:+8657188@carrier.example>");
    talk(&world, &carrier, "100", &ana);
    assert!(ana.invite().contains("From: \"Ben\" <sip:+8657188@192.0.2.1"), "{}", ana.invite());
    assert_eq!((&world.record().caller[..], &world.record().caller_name[..]), ("+8657188", "Ben"));
}

#[test]
fn who_is_called_instead_of_another_is_told_of_whom() {
    let world = World::new(Setup::new(7));
    let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
    ben.forward_to("102");
    talk(&world, &ana, "101", &eva);
    let invite = eva.invite();
    assert!(invite.contains("Diversion: <sip:101@192.0.2.1:5060>;reason=unconditional;counter=1\r\n"), "{invite}");
    let history = "History-Info: <sip:101@192.0.2.1:5060>;index=1, <sip:102@192.0.2.1:5060;cause=302>;index=1.1\r\n";
    assert!(invite.contains(history), "{invite}");
}

#[test]
fn headers_on_the_list_pass_back_with_ringing_answer_and_bye_too() {
    let setup = || Setup::new(7).workers(2).tuned(|config| config.identity.pass_headers = vec!["X-Acc*".into()]);
    let world = World::new(setup());
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ben.say_with("X-Account", "7");
    ben.say_with("X-Other", "8");
    talk(&world, &ana, "101", &ben);
    let told = ana.was_told();
    for title in ["SIP/2.0 180", "SIP/2.0 200", "BYE"] {
        let text = told.iter().find(|text| text.starts_with(title)).unwrap_or_else(|| panic!("no {title}"));
        assert!(text.contains("X-Account: 7\r\n") && !text.contains("X-Other"), "{text}");
    }
    // And the caller's BYE.
    let world = World::new(setup());
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ana.say_with("X-Account", "9");
    ben.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("101");
    connect(&world, &ana, &ben);
    ana.hang_up();
    part(&world, &ana, &ben);
    assert!(ben.was_told().last().unwrap().contains("X-Account: 9\r\n"));
    assert!(!ana.was_told().iter().any(|text| text.contains("X-Account")));
    world.assert_settled();
}
