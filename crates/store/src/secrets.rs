//! The key file that seals what is as good as a password.

use crate::StoreError;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Length of a GCM nonce, bytes.
const NONCE: usize = 12;

/// Seals and opens with AES-256-GCM.
pub(crate) struct Secrets(Aes256Gcm);

impl Secrets {
    /// Reads the key file, or makes it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |what| move |source| StoreError::File { what, path: path.to_path_buf(), source };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let key = random::<32>()?;
                write_new(path, &key).map_err(failed("writing"))?;
                key.to_vec()
            }
            Err(e) => return Err(failed("reading")(e)),
        };
        let key: [u8; 32] =
            bytes.try_into().map_err(|_| failed("reading")(io::Error::other("a key has 32 bytes, this file not")))?;
        Ok(Self(Aes256Gcm::new(&key.into())))
    }

    /// Seals `plain`; it opens only with the same `label`, so that one row's secret cannot be put into another.
    pub(crate) fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = random::<NONCE>()?;
        let payload = Payload { msg: plain, aad: label.as_bytes() };
        let sealed =
            self.0.encrypt(&Nonce::from(nonce), payload).map_err(|_| StoreError::Damaged("key, for sealing"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Secrets::seal`] sealed; `None` if it was not this key, this label or these bytes.
    pub(crate) fn open_sealed(&self, label: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.0.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: label.as_bytes() }).ok()
    }
}

/// Bytes of the system's randomness.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StoreError::NoRandomness)?;
    Ok(bytes)
}

/// Writes a file that only its owner can read, complete or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_with_the_same_key_and_label() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let secrets = Secrets::open(&path).unwrap();
        let sealed = secrets.seal("ha1/100", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_ne!(sealed, secrets.seal("ha1/100", b"secret").unwrap(), "each sealing has a nonce of its own");

        let again = Secrets::open(&path).unwrap();
        assert_eq!(again.open_sealed("ha1/100", &sealed).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(again.open_sealed("ha1/101", &sealed), None);
        assert_eq!(again.open_sealed("ha1/100", &sealed[..20]), None);
        assert_eq!(again.open_sealed("ha1/100", b"short"), None);
        let other = Secrets::open(&dir.path().join("other.key")).unwrap();
        assert_eq!(other.open_sealed("ha1/100", &sealed), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_the_owners_alone_and_a_wrong_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        Secrets::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap().len(), 32);
        fs::write(&path, b"too short").unwrap();
        assert!(matches!(Secrets::open(&path), Err(StoreError::File { what: "reading", .. })));
    }
}
