//! Certificates from files, and the one that is made at the first start.

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a certificate of our own is good, years.
const YEARS: i32 = 20;

/// Several certificates, chosen among by the name that a peer asks for (SNI).
#[derive(Debug)]
pub struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    /// From files of PEM: chain and key of each.
    pub fn load(files: &[(PathBuf, PathBuf)]) -> Result<Self, String> {
        let certificates = files.iter().map(|(chain, key)| load_one(chain, key).map(Arc::new));
        Ok(Self(certificates.collect::<Result<_, _>>()?))
    }

    fn of_name(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = ServerName::try_from(name).ok()?;
        let fits = |certificate: &&Arc<CertifiedKey>| {
            let leaf = certificate.end_entity_cert().and_then(ParsedCertificate::try_from);
            leaf.is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
        };
        self.0.iter().find(fits)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A peer that asks for nothing, or for a name that is nobody's, gets the first: phones often ask for an address.
        hello.server_name().and_then(|name| self.of_name(name)).or_else(|| self.0.first()).cloned()
    }
}

fn load_one(chain: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let of = |path: &Path, what: &dyn Display| format!("{}: {what}", path.display());
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .map_err(|e| of(chain, &format_args!("cannot be read as a PEM certificate chain: {e}")))?;
    if certificates.is_empty() {
        return Err(of(chain, &"there is no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|e| of(key, &format_args!("cannot be read as a PEM private key: {e}")))?;
    let secret = any_supported_type(&secret).map_err(|e| of(key, &format_args!("is no key we can use: {e}")))?;
    let certified = CertifiedKey::new(certificates, secret);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(of(key, &format_args!("is not the key of {}", chain.display()))),
    }
}

/// When the first certificate of a file lapses, seconds of Unix time.
pub(super) fn lapses_at(chain: &Path) -> Option<i64> {
    let certificate = CertificateDer::from_pem_file(chain).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The certificate that this host makes for itself, made now if it is not there yet: its two files.
pub fn self_signed(dir: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), String> {
    let (chain, key) = (dir.join("self-signed.pem"), dir.join("self-signed.key"));
    if chain.exists() && key.exists() {
        return Ok((chain, key));
    }
    let made = make(names).map_err(|e| format!("making a certificate: {e}"))?;
    std::fs::create_dir_all(dir)
        .and_then(|()| write_secret(&key, &made.1))
        .and_then(|()| std::fs::write(&chain, made.0))
        .map_err(|e| format!("writing a certificate to {}: {e}", dir.display()))?;
    Ok((chain, key))
}

fn make(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let mut params = rcgen::CertificateParams::new(names)?;
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs() / 86_400);
    let year = 1970 + (days as f64 / 365.2425) as i32;
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Patchbay");
    params.extended_key_usages =
        vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner may read.
pub(super) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_of_our_own_is_made_once_and_its_key_is_secret() {
        let dir = tempfile::tempdir().unwrap();
        let files = self_signed(dir.path(), &names(&["pbx.example", "192.0.2.1", "2001:db8::1"])).unwrap();
        let text = std::fs::read(&files.0).unwrap();
        assert_eq!(std::fs::metadata(&files.1).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(self_signed(dir.path(), &names(&["other.example"])).unwrap(), files);
        assert_eq!(std::fs::read(&files.0).unwrap(), text);
        let certificates = Certificates::load(std::slice::from_ref(&files)).unwrap();
        assert!(certificates.of_name("pbx.example").is_some() && certificates.of_name("192.0.2.1").is_some());
        assert!(certificates.of_name("other.example").is_none());
        assert!(lapses_at(&files.0).unwrap() > 1_795_219_200 + 10 * 365 * 86_400);
    }

    #[test]
    fn the_name_that_a_peer_asks_for_chooses_the_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let one = self_signed(&dir.path().join("one"), &names(&["one.example"])).unwrap();
        let two = self_signed(&dir.path().join("two"), &names(&["two.example", "*.three.example"])).unwrap();
        let certificates = Certificates::load(&[one, two]).unwrap();
        let same = |name, index: usize| Arc::ptr_eq(certificates.of_name(name).unwrap(), &certificates.0[index]);
        assert!(same("one.example", 0) && same("two.example", 1) && same("a.three.example", 1));
    }

    #[test]
    fn wrong_files_are_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let one = self_signed(&dir.path().join("one"), &names(&["one.example"])).unwrap();
        let two = self_signed(&dir.path().join("two"), &names(&["two.example"])).unwrap();
        let error = |chain: &PathBuf, key: &PathBuf| Certificates::load(&[(chain.clone(), key.clone())]).unwrap_err();
        assert!(error(&one.0, &two.1).contains("is not the key of"), "{}", error(&one.0, &two.1));
        assert!(error(&one.1, &one.1).contains("no certificate"), "{}", error(&one.1, &one.1));
        let none = dir.path().join("none.pem");
        assert!(error(&none, &one.1).contains("none.pem: cannot be read"), "{}", error(&none, &one.1));
    }
}
