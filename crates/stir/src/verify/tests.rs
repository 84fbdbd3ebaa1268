//! Signers with certificates made for the test, honest and not.

use super::*;
use crate::{Signer, tn};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

const NOW: u64 = 1_795_219_200;
const URL: &str = "https://cert.example/shaken.pem";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(self.pem.as_bytes()).unwrap()
    }

    /// A signer valid from a day before to `days` after now, for these numbers (a TNAuthList's content).
    fn signer(&self, days: i64, numbers: Option<&[u8]>) -> (Signer, Chain) {
        let mut params = CertificateParams::default();
        let now = OffsetDateTime::from_unix_timestamp(NOW as i64).unwrap();
        params.not_before = now - Duration::days(10);
        params.not_after = now + Duration::days(days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if let Some(numbers) = numbers {
            let list = [&[0x30, numbers.len() as u8][..], numbers].concat();
            let oid = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
            params.custom_extensions = vec![CustomExtension::from_oid_content(oid, list)];
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let signer = Signer::from_pem(key.serialize_pem().as_bytes(), URL).unwrap();
        (signer, Chain::read(certificate.pem().as_bytes()).unwrap())
    }
}

fn call() -> Call {
    Call { orig: tn("+12155551212", ""), dest: tn("+12155551213", ""), date: None }
}

fn identity(signer: &Signer) -> Identity {
    let header = signer.sign(&call(), Attestation::Partial, "123e4567-e89b-12d3-a456-426655440000", NOW);
    Identity::parse(header.as_bytes()).unwrap()
}

#[test]
fn a_good_signature_tells_what_its_signer_vouches_for() {
    let authority = Authority::new();
    let (signer, chain) = authority.signer(10, None);
    let verified = verify(&identity(&signer), &call(), &chain, &authority.roots(), NOW + 30).unwrap();
    assert_eq!(verified.attestation, Some(Attestation::Partial));
    assert_eq!(verified.origid.as_deref(), Some("123e4567-e89b-12d3-a456-426655440000"));
}

#[test]
fn every_digit_counts() {
    let authority = Authority::new();
    let (signer, chain) = authority.signer(10, None);
    let (good, roots) = (identity(&signer), authority.roots());
    let judge = |identity: &Identity, call: &Call, now: u64| verify(identity, call, &chain, &roots, now).unwrap_err();
    // Another caller, another called party, too late, too early.
    assert_eq!(judge(&good, &Call { orig: "12155551299".into(), ..call() }, NOW), Failure::Invalid);
    assert_eq!(judge(&good, &Call { dest: "12155551299".into(), ..call() }, NOW), Failure::Invalid);
    assert_eq!(judge(&good, &call(), NOW + 61), Failure::Stale);
    assert_eq!(judge(&good, &call(), NOW - 61), Failure::Stale);
    // A changed token.
    for at in (0..good.token.len()).step_by(7).filter(|at| &good.token[*at..=*at] != ".") {
        let mut token = good.token.clone().into_bytes();
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        let forged = Identity { token: String::from_utf8(token).unwrap(), ..good.clone() };
        let result = verify(&forged, &call(), &chain, &roots, NOW);
        // The last digit of a part has bits that mean nothing.
        assert!(result.is_err() || at + 1 == good.token.len(), "digit {at}");
    }
    // Claims of one token, signature of another.
    let other = signer.sign(&Call { orig: "666".into(), ..call() }, Attestation::Full, "x", NOW);
    let other = Identity::parse(other.as_bytes()).unwrap();
    let (claims, _) = other.token.rsplit_once('.').unwrap();
    let (_, signature) = good.token.rsplit_once('.').unwrap();
    let mixed = Identity { token: format!("{claims}.{signature}"), ..good.clone() };
    assert_eq!(judge(&mixed, &Call { orig: "666".into(), ..call() }, NOW), Failure::Invalid);
    // Another extension or algorithm.
    for header in [
        format!("{};info=<{URL}>;alg=none;ppt=shaken", good.token),
        format!("{};info=<{URL}>;ppt=div", good.token),
        format!("{};info=<{URL}>", good.token),
        format!("{};info=<https://evil>;ppt=shaken", good.token),
    ] {
        assert_eq!(judge(&Identity::parse(header.as_bytes()).unwrap(), &call(), NOW), Failure::Invalid, "{header}");
    }
}

#[test]
fn only_certificates_of_those_we_believe_count_and_only_while_they_are_valid() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (signer, chain) = stranger.signer(10, None);
    assert_eq!(verify(&identity(&signer), &call(), &chain, &authority.roots(), NOW), Err(Failure::Credential));
    assert_eq!(verify(&identity(&signer), &call(), &chain, &Roots::default(), NOW), Err(Failure::Credential));
    let (signer, chain) = authority.signer(-1, None);
    assert_eq!(verify(&identity(&signer), &call(), &chain, &authority.roots(), NOW), Err(Failure::Credential));
    // Another's certificate.
    let ((signer, _), (_, chain)) = (authority.signer(10, None), authority.signer(10, None));
    assert_eq!(verify(&identity(&signer), &call(), &chain, &authority.roots(), NOW), Err(Failure::Invalid));
    assert!(Chain::read(b"junk").is_err() && Roots::from_pem(b"-----BEGIN CERTIFICATE-----\nx").is_err());
    assert!(Signer::from_pem(b"junk", URL).is_err());
}

#[test]
fn a_certificate_for_numbers_is_for_no_others() {
    let authority = Authority::new();
    let one = |number: &[u8]| [&[0xa2, number.len() as u8 + 2, 0x16, number.len() as u8][..], number].concat();
    let range = [&[0xa1, 18, 0x30, 16, 0x16, 11][..], b"12155551200", &[0x02, 1, 20]].concat();
    for (numbers, fine) in [
        (one(b"12155551212"), true),
        (one(b"12155551211"), false),
        (range, true),
        ([&[0xa0, 6, 0x16, 4][..], b"1234"].concat(), true),
        (Vec::new(), false),
    ] {
        let (signer, chain) = authority.signer(10, Some(&numbers));
        let result = verify(&identity(&signer), &call(), &chain, &authority.roots(), NOW);
        assert_eq!(result.err(), (!fine).then_some(Failure::Credential), "{numbers:?}");
    }
}

#[test]
fn a_compact_token_is_completed_from_the_message() {
    let authority = Authority::new();
    let mut params = CertificateParams::default();
    params.not_before = OffsetDateTime::from_unix_timestamp(NOW as i64 - 100).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(NOW as i64 + 100).unwrap();
    let key = KeyPair::generate().unwrap();
    let chain = Chain::read(params.signed_by(&key, &authority.issuer).unwrap().der()).unwrap();
    let call = Call { date: Some(NOW), ..call() };
    let identity = |token: String, ppt: &str| Identity::parse(format!("{token};info=<{URL}>{ppt}").as_bytes()).unwrap();
    let (signed, _) = compact(&identity("..x".into(), ""), &call).unwrap();
    let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &key.serialize_der(),
    );
    let signature = pair.unwrap().sign(&aws_lc_rs::rand::SystemRandom::new(), signed.as_bytes()).unwrap();
    let token = format!("..{}", crate::passport::encode_bytes(signature.as_ref()));
    let good = verify(&identity(token.clone(), ""), &call, &chain, &authority.roots(), NOW).unwrap();
    assert_eq!(good, Verified { attestation: None, origid: None });
    let judge = |identity: &Identity, call: &Call| verify(identity, call, &chain, &authority.roots(), NOW);
    assert_eq!(judge(&identity(token.clone(), ""), &Call { date: None, ..call.clone() }), Err(Failure::Invalid));
    assert_eq!(
        judge(&identity(token.clone(), ""), &Call { date: Some(NOW - 1), ..call.clone() }),
        Err(Failure::Invalid)
    );
    assert_eq!(judge(&identity(token, ";ppt=shaken"), &call), Err(Failure::Invalid));
}

#[test]
fn a_signature_is_for_one_call() {
    let authority = Authority::new();
    let (signer, _) = authority.signer(10, None);
    let (first, second) = (identity(&signer), identity(&signer));
    let mut replays = Replays::default();
    assert_eq!(replays.note(first.mark(), "call-1", NOW), Ok(()));
    assert_eq!(replays.note(first.mark(), "call-1", NOW), Ok(()), "it came by two ways");
    assert_eq!(replays.note(first.mark(), "call-2", NOW + 60), Err(Failure::Replayed));
    assert_eq!(replays.note(second.mark(), "call-2", NOW), Ok(()), "signed anew");
    assert_eq!(replays.note(first.mark(), "call-3", NOW + 121), Ok(()), "stale long ago, so that it need not be known");
    assert_eq!((replays.seen.len(), replays.order.len()), (1, 1));
    // Anybody can write the second half of a signature anew.
    let (claims, signature) = first.token.rsplit_once('.').unwrap();
    let mut signature = crate::passport::decode(signature).unwrap();
    signature[40] ^= 1;
    let token = format!("{claims}.{}", crate::passport::encode_bytes(&signature));
    assert_eq!(Identity { token, ..first.clone() }.mark(), first.mark());
    assert_ne!(first.mark(), second.mark());
}

#[test]
fn every_failure_has_its_status() {
    let status = |failure: Failure| failure.status().0;
    assert_eq!(status(Failure::Missing), 428);
    assert_eq!(status(Failure::NoCertificate), 436);
    assert_eq!(status(Failure::Credential), 437);
    assert_eq!([status(Failure::Invalid), status(Failure::Replayed)], [438, 438]);
    assert_eq!(status(Failure::Stale), 403);
}
