//! Callers' numbers under signature (STIR/SHAKEN): checked when a trunk calls, signed when a trunk is called.

#![allow(clippy::unwrap_used)] // helpers of tests

use model::{EventBody, Outcome, StirPolicy, Verdict, Verification};
use patchbay_tests::{connect, converse, part, refusal, roughly};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use sim::{Conduct, Phone, Setup, World, millis, secs};
use std::sync::LazyLock;
use stir::{Attestation, Call, Chain, Identity, Roots, Signer, tn};
use time::{Duration, OffsetDateTime};

const URL: &str = "https://signer.test/shaken.pem";
const ORIGID: &str = "123e4567-e89b-12d3-a456-426655440000";
/// When every world begins.
const EPOCH: i64 = 1_795_219_200;

/// An authority, and one whom it lets sign.
struct Keys {
    roots: String,
    certificate: String,
    key: String,
}

static HONEST: LazyLock<Keys> = LazyLock::new(Keys::new);
static STRANGER: LazyLock<Keys> = LazyLock::new(Keys::new);

impl Keys {
    fn new() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let roots = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let mut signer = CertificateParams::default();
        let now = OffsetDateTime::from_unix_timestamp(EPOCH).unwrap();
        signer.not_before = now - Duration::days(1);
        signer.not_after = now + Duration::days(1);
        signer.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = signer.signed_by(&key, &issuer).unwrap().pem();
        Self { roots, certificate, key: key.serialize_pem() }
    }

    fn signer(&self) -> Signer {
        Signer::from_pem(self.key.as_bytes(), URL).unwrap()
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(self.roots.as_bytes()).unwrap()
    }
}

/// What a carrier writes into the INVITE of this call, signed so long ago.
fn sign(keys: &Keys, world: &World, caller: &str, called: &str, seconds_ago: u64) -> String {
    let call = Call { orig: tn(caller, "86"), dest: tn(called, "86"), date: None };
    keys.signer().sign(&call, Attestation::Full, ORIGID, world.wall() / 1000 - seconds_ago)
}

fn checking(config: &mut cell::Config) {
    config.stir.roots = HONEST.roots();
    config.trunks[0].stir = StirPolicy::Verify;
}

fn requiring(config: &mut cell::Config) {
    checking(config);
    config.trunks[0].stir = StirPolicy::Require;
}

/// A world with a trunk from which +86 571 1234 5678 calls, and a phone that answers.
fn world(setup: Setup) -> (World, Phone, Phone) {
    let world = World::new(setup);
    let (phone, trunk) = parties(&world);
    (world, phone, trunk)
}

fn parties(world: &World) -> (Phone, Phone) {
    world.web(|web| web.put(URL, HONEST.certificate.as_str()));
    let (phone, trunk) = (world.phone("100"), world.trunk("pstn"));
    phone.set_conduct(Conduct::Answer(millis(300)));
    trunk.add_header("P-Asserted-Identity", "<sip:+8657112345678@carrier.test>");
    (phone, trunk)
}

/// What the check of the latest call came to.
fn verification(world: &World) -> Verification {
    world.run_for(millis(200));
    let record = world.records().into_iter().max_by_key(|record| record.started_at).expect("a record");
    let verification = record.verification.expect("checked");
    let told = world.events().into_iter().rev().find_map(|event| match event.body {
        EventBody::CallerVerified { verification, .. } => Some(verification),
        _ => None,
    });
    assert_eq!(told.as_ref(), Some(&verification), "events tell what the record tells");
    verification
}

#[test]
fn a_good_signature_is_told_to_the_phone_the_record_and_those_who_watch() {
    roughly(
        |setup| setup.trunk("pstn", "0*").tuned(checking),
        |world| {
            let (phone, trunk) = parties(world);
            trunk.add_header("Identity", &sign(&HONEST, world, "+8657112345678", "100", 0));
            trunk.dial("100");
            connect(world, &trunk, &phone);
            converse(world, &trunk, &phone);
            let from = phone.invited_with("From").unwrap();
            assert!(from.contains("verstat=TN-Validation-Passed"), "{from}");
            let asserted = phone.invited_with("P-Asserted-Identity").unwrap();
            assert!(asserted.contains("sip:+8657112345678@") && asserted.contains("verstat=TN-Validation-Passed"));
            trunk.hang_up();
            part(world, &trunk, &phone);
            let found = verification(world);
            assert_eq!((found.verdict, found.attestation), (Verdict::Passed, Some('A')));
            assert_eq!((found.origid.as_str(), found.note.as_str()), (ORIGID, ""));
        },
    );
}

#[test]
fn a_certificate_is_fetched_once_while_it_may_be_kept() {
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(checking));
    for fetched in [1, 1, 2] {
        if fetched == 2 {
            world.run_for(secs(700));
        }
        trunk.clear_header("Identity");
        trunk.add_header("Identity", &sign(&HONEST, &world, "+8657112345678", "100", 0));
        trunk.dial("100");
        connect(&world, &trunk, &phone);
        trunk.hang_up();
        part(&world, &trunk, &phone);
        assert_eq!(verification(&world).verdict, Verdict::Passed);
        assert_eq!(world.web(|web| web.fetched()), fetched);
    }
}

/// What is wrong, what the record says, and with what it is refused where a good signature is required.
fn wrong(world: &World) -> [(&'static str, String, Verdict, u16); 5] {
    let good = sign(&HONEST, world, "+8657112345678", "100", 0);
    let (head, rest) = good.split_once('.').unwrap();
    let other = sign(&HONEST, world, "+8657199999999", "100", 0);
    let (_, claims) = other.split_once('.').unwrap();
    let tampered = format!("{head}.{}.{}", claims.split('.').next().unwrap(), rest.split_once('.').unwrap().1);
    [
        ("tampered", tampered, Verdict::Failed, 438),
        ("stale", sign(&HONEST, world, "+8657112345678", "100", 90), Verdict::Failed, 403),
        ("another caller", other, Verdict::Failed, 438),
        ("another called party", sign(&HONEST, world, "+8657112345678", "101", 0), Verdict::Failed, 438),
        ("nonsense", "nonsense".to_owned(), Verdict::Failed, 438),
    ]
}

#[test]
fn bad_signatures_are_told_where_they_are_only_looked_at_and_refused_where_good_ones_are_required() {
    for (tuning, required) in [(checking as fn(&mut cell::Config), false), (requiring, true)] {
        for case in 0..5 {
            let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(tuning));
            let (what, header, verdict, status) = wrong(&world).into_iter().nth(case).unwrap();
            trunk.add_header("Identity", &header);
            trunk.dial("100");
            if required {
                assert_eq!(refusal(&world, &trunk), status, "{what}");
                assert_eq!((world.record().outcome, world.record().cause.sip), (Outcome::Forbidden, status), "{what}");
                assert_eq!(phone.calls_received(), 0);
            } else {
                connect(&world, &trunk, &phone);
                assert!(phone.invited_with("From").unwrap().contains("verstat=TN-Validation-Failed"), "{what}");
                trunk.hang_up();
                part(&world, &trunk, &phone);
            }
            assert_eq!(verification(&world).verdict, verdict, "{what}");
            assert_eq!(verification(&world).attestation, None, "{what}");
        }
    }
}

#[test]
fn a_signer_that_nobody_vouches_for_is_not_believed() {
    let (world, _phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(requiring));
    world.web(|web| web.put(URL, STRANGER.certificate.as_str()));
    trunk.add_header("Identity", &sign(&STRANGER, &world, "+8657112345678", "100", 0));
    trunk.dial("100");
    assert_eq!(refusal(&world, &trunk), 437);
    assert_eq!(verification(&world).verdict, Verdict::Failed);
}

#[test]
fn a_call_without_a_signature_goes_on_or_is_asked_for_one() {
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(checking));
    trunk.dial("100");
    connect(&world, &trunk, &phone);
    assert!(phone.invited_with("From").unwrap().contains("verstat=No-TN-Validation"));
    trunk.hang_up();
    part(&world, &trunk, &phone);
    assert_eq!(verification(&world).verdict, Verdict::Unchecked);
    let (world, _phone, trunk) = self::world(Setup::new(7).trunk("pstn", "0*").tuned(requiring));
    // A signature about a diversion is not one about who calls.
    let div = sign(&HONEST, &world, "+8657112345678", "100", 0).replace("ppt=shaken", "ppt=div");
    trunk.add_header("Identity", &div);
    trunk.dial("100");
    assert_eq!(refusal(&world, &trunk), 428);
}

#[test]
fn while_a_certificate_does_not_come_calls_wait_a_moment_only_and_others_not_at_all() {
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(checking));
    let (other, third) = (world.phone("101"), world.phone("102"));
    third.set_conduct(Conduct::Answer(millis(100)));
    world.web(|web| web.set_silent(true));
    trunk.add_header("Identity", &sign(&HONEST, &world, "+8657112345678", "100", 0));
    trunk.dial("100");
    other.dial("102");
    assert!(world.run_until(secs(1), || other.is_talking()), "nobody waits for another's certificate");
    assert_eq!(phone.calls_received(), 0, "its caller's number is being checked");
    assert!(world.run_until(secs(3), || phone.is_talking() && trunk.is_talking()), "{:?}", trunk.state());
    assert!(phone.invited_with("From").unwrap().contains("verstat=No-TN-Validation"));
    world.hang_up_all();
    world.run_for(secs(10));
    // The next one does not wait again: the failure is remembered for a while.
    trunk.dial("100");
    assert!(world.run_until(secs(1), || phone.is_talking()));
    world.hang_up_all();
    world.assert_settled();
    let (world, _phone, trunk) = self::world(Setup::new(7).trunk("pstn", "0*").tuned(requiring));
    world.web(|web| web.remove(URL));
    trunk.add_header("Identity", &sign(&HONEST, &world, "+8657112345678", "100", 0));
    trunk.dial("100");
    assert_eq!(refusal(&world, &trunk), 436);
}

#[test]
fn a_caller_that_gives_up_while_its_certificate_is_fetched_leaves_nothing_behind() {
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(checking));
    world.web(|web| web.set_silent(true));
    trunk.add_header("Identity", &sign(&HONEST, &world, "+8657112345678", "100", 0));
    trunk.dial("100");
    world.run_for(millis(500));
    trunk.hang_up();
    world.run_for(secs(15));
    assert_eq!((phone.calls_received(), world.record().outcome), (0, Outcome::Cancelled));
    world.assert_settled();
}

#[test]
fn a_signature_is_good_for_one_call_whichever_workers_its_calls_fall_to() {
    for workers in [1, 2, 3] {
        let (world, _phone, trunk) = world(Setup::new(7).workers(workers).trunk("pstn", "0*").tuned(requiring));
        trunk.add_header("Identity", &sign(&HONEST, &world, "+8657112345678", "100", 0));
        trunk.dial("100");
        assert!(world.run_until(secs(3), || trunk.is_talking()), "{:?}", trunk.state());
        trunk.hang_up();
        for _ in 0..4 {
            world.run_for(secs(2));
            trunk.dial("100");
            assert_eq!(refusal(&world, &trunk), 438);
        }
        assert_eq!(verification(&world).verdict, Verdict::Failed);
        world.assert_settled();
    }
}

fn signing(config: &mut cell::Config) {
    config.stir.signer = Some(HONEST.signer());
    config.stir.own_numbers = vec!["86571".into()];
    config.stir.origid = ORIGID.into();
    config.trunks[0].stir_sign = true;
}

/// The carrier's own check of the last INVITE that it got.
fn heard(world: &World, trunk: &Phone, orig: &str, dest: &str) -> Attestation {
    let header = trunk.invited_with("Identity").expect("signed");
    assert!(trunk.invited_with("Date").expect("a signed call says when").ends_with(" GMT"));
    let identity = Identity::parse(header.as_bytes()).unwrap();
    let chain = Chain::read(HONEST.certificate.as_bytes()).unwrap();
    let call = Call { orig: orig.into(), dest: dest.into(), date: None };
    let verified = stir::verify(&identity, &call, &chain, &HONEST.roots(), world.wall() / 1000).unwrap();
    assert_eq!(verified.origid.as_deref(), Some(ORIGID));
    verified.attestation.unwrap()
}

#[test]
fn calls_that_go_out_are_signed_by_what_we_know_of_the_caller() {
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(signing));
    trunk.set_conduct(Conduct::Answer(millis(100)));
    let dial = |from: &Phone, number: &str| {
        from.dial(number);
        assert!(world.run_until(secs(5), || from.is_talking()), "{:?}", from.state());
        from.hang_up();
        world.run_for(secs(2));
    };
    world.change_extension("100", |extension| extension.outside_number = "057188886666".into());
    dial(&phone, "02112345678");
    assert_eq!(heard(&world, &trunk, "8657188886666", "862112345678"), Attestation::Full);
    world.change_extension("100", |extension| extension.outside_number = "02188886666".into());
    dial(&phone, "02112345678");
    assert_eq!(heard(&world, &trunk, "862188886666", "862112345678"), Attestation::Partial);
    // Who hides is not named by a signature either.
    phone.add_header("Privacy", "id");
    dial(&phone, "02112345678");
    assert_eq!(trunk.invited_with("Identity"), None);
}

#[test]
fn what_came_by_a_trunk_and_leaves_by_one_is_signed_as_a_gateways() {
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(signing));
    // Shown is a number of ours, but who it is that calls we do not know.
    world.change_extension("100", |extension| extension.outside_number = "057188886666".into());
    phone.forward_to("02112345678");
    trunk.dial("100");
    assert!(world.run_until(secs(5), || trunk.calls_received() == 1));
    assert_eq!(heard(&world, &trunk, "8657188886666", "862112345678"), Attestation::Gateway);
}

#[test]
fn a_trunk_that_wants_no_signature_gets_none() {
    fn unsigned(config: &mut cell::Config) {
        signing(config);
        config.trunks[0].stir_sign = false;
    }
    let (world, phone, trunk) = world(Setup::new(7).trunk("pstn", "0*").tuned(unsigned));
    phone.dial("02112345678");
    assert!(world.run_until(secs(5), || trunk.is_ringing()));
    assert_eq!(trunk.invited_with("Identity"), None);
}
