//! `[stir]`: callers' numbers under signature.

use super::{Config, words};
use model::StirPolicy;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `[stir]`: with what callers' numbers are checked and signed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stir {
    /// Authorities of signers that we believe, a PEM file.
    pub roots: Option<PathBuf>,
    /// Signers' certificates may be fetched from servers of our own networks too, at any port.
    pub private_servers: bool,
    /// What those servers are checked with besides the system's authorities, a PEM file.
    pub servers_authority: Option<PathBuf>,
    /// Our private key, a PEM file.
    pub key: Option<PathBuf>,
    /// Where others find our certificate.
    pub certificate_url: Option<String>,
    /// A UUID that stands for this switch.
    pub origid: Option<String>,
    /// Beginnings of our own numbers, with country code.
    #[serde(deserialize_with = "words::strings")]
    pub own_numbers: Vec<String>,
}

impl Stir {
    /// In the cell's words: files are read now.
    pub fn to_cell(&self) -> Result<cell::Stir, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let roots = match &self.roots {
            Some(path) => stir::Roots::from_pem(&read(path)?)
                .ok()
                .filter(|roots| !roots.is_empty())
                .ok_or_else(|| format!("{}: there is no certificate of an authority in it", path.display()))?,
            None => stir::Roots::default(),
        };
        let signer = match (&self.key, &self.certificate_url) {
            (Some(path), Some(url)) => {
                Some(stir::Signer::from_pem(&read(path)?, url).map_err(|e| format!("{}: {e}", path.display()))?)
            }
            _ => None,
        };
        let own = |number: &String| stir::tn(number, "");
        Ok(cell::Stir {
            roots,
            signer,
            own_numbers: self.own_numbers.iter().map(own).collect(),
            origid: self.origid.clone().unwrap_or_default(),
        })
    }

    /// How certificates are fetched; `None`: they are not.
    pub fn fetching(&self) -> Result<Option<crate::fetch::Settings>, String> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        if self.roots.is_none() {
            return Ok(None);
        }
        let authorities = match &self.servers_authority {
            Some(path) => CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|e| format!("{}: cannot be read as PEM certificates: {e}", path.display()))?,
            None => Vec::new(),
        };
        Ok(Some(crate::fetch::Settings { private: self.private_servers, authorities }))
    }
}

/// What is wrong with it, each with its key.
pub(super) fn findings(config: &Config, say: &mut impl FnMut(&str, String)) {
    let stir = &config.stir;
    for (i, trunk) in config.trunks.iter().enumerate() {
        if trunk.stir != StirPolicy::Off && stir.roots.is_none() {
            say(&format!("trunk.{i}.stir"), "needs [stir] roots, the authorities that are believed".to_owned());
        }
        if trunk.stir_sign && stir.key.is_none() {
            say(&format!("trunk.{i}.stir_sign"), "needs [stir] key, with which is signed".to_owned());
        }
    }
    if stir.key.is_some() && stir.certificate_url.as_ref().is_none_or(|url| !url.starts_with("https://")) {
        let text = "needs certificate_url, the https:// address where others find its certificate";
        say("stir.key", text.to_owned());
    }
    if stir.key.is_some() && !stir.origid.as_deref().is_some_and(is_uuid) {
        let text = "needs origid, a UUID that stands for this switch, like \"123e4567-e89b-12d3-a456-426655440000\"";
        say("stir.key", text.to_owned());
    }
    for number in &stir.own_numbers {
        if stir::tn(number, "").is_empty() {
            say("stir.own_numbers", format!("\"{number}\" has no digits; write it with country code, like \"+86571\""));
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(digits)
}
