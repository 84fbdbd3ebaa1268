//! Extensions: numbers with SIP credentials. Their secrets are sealed in the database.

use crate::{Store, StoreError};
use md5::{Digest, Md5};
use model::{AutoAnswer, Extension, ExtensionWish, Forwards, Ha1, InbandDtmf, MediaKind, Rights, Srtp, WatchedBy};
use sha2::{Sha256, Sha512_256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// How long a new extension rings, seconds, and how many calls it may have at once.
const RING_SECONDS: u16 = 30;
const MAX_CALLS: u16 = 2;
/// The longest display name, characters.
const MAX_NAME: usize = 64;

/// An extension as an import brings it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct NewExtension {
    /// Its number.
    pub number: String,
    /// Its display name; may be empty.
    pub name: String,
    /// Its SIP password, in clear; never stored.
    pub password: String,
    /// How far it may call; `None`: as it was, and as the configuration says for a new one.
    pub rights: Option<Rights>,
    /// Its number beyond the trunks; `None`: as it was, and none for a new one.
    pub outside_number: Option<String>,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// How many were new.
    pub added: usize,
    /// How many existed and have a new name and password now.
    pub changed: usize,
    /// All of them as they are now, in the order given.
    pub extensions: Vec<Extension>,
}

/// Whether something was new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// It was.
    Added,
    /// It existed and was changed.
    Changed,
}

/// Digest secrets of a user in a realm: H(user:realm:password) per algorithm (RFC 7616 §3.4.2).
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 {
    let text = format!("{user}:{realm}:{password}");
    Ha1 {
        md5: Md5::digest(&text).into(),
        sha256: Sha256::digest(&text).into(),
        sha512_256: Sha512_256::digest(&text).into(),
    }
}

/// Is this a number an extension may have: 1 to 32 of `0-9 a-z A-Z . _ + * # -`?
pub fn valid_number(number: &str) -> bool {
    (1..=32).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'*' | b'#' | b'-'))
}

/// Names go into SIP headers: nothing that could end one.
pub(crate) fn valid_name(name: &str) -> bool {
    name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
}

impl NewExtension {
    /// The extension with usual settings: enabled, not recorded, 30 s of ringing, two calls at once.
    pub fn in_realm(&self, realm: &str) -> Extension {
        Extension {
            number: self.number.clone(),
            name: self.name.clone(),
            ha1: ha1(&self.number, realm, &self.password),
            enabled: true,
            record: false,
            ring_seconds: RING_SECONDS,
            max_calls: MAX_CALLS,
            rights: self.rights,
            outside_number: self.outside_number.clone().unwrap_or_default(),
            allow: Vec::new(),
            monitor: false,
            intercom: false,
            auto_answer: AutoAnswer::default(),
            srtp: None,
            codecs: Vec::new(),
            inband_dtmf: InbandDtmf::default(),
            contacts: 0,
            watched_by: WatchedBy::default(),
            media: MediaKind::default(),
            forward: Forwards::default(),
            do_not_disturb: false,
            call_waiting: true,
        }
    }
}

impl Store {
    /// All extensions, by number.
    pub async fn extensions(&self) -> Result<Vec<Extension>, StoreError> {
        let rows = sqlx::query("SELECT * FROM extensions ORDER BY number").fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| self.extension_of(row)).collect()
    }

    /// One extension.
    pub async fn extension(&self, number: &str) -> Result<Option<Extension>, StoreError> {
        let sql = "SELECT * FROM extensions WHERE number = ?1";
        let row = sqlx::query(sql).bind(number).fetch_optional(&self.0.readers).await?;
        row.map(|row| self.extension_of(&row)).transpose()
    }

    /// Adds an extension; false if its number is taken. [`StoreError::BadNumber`], [`StoreError::BadName`].
    pub async fn add_extension(&self, extension: &Extension) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let new = !exists(&mut transaction, &extension.number).await?;
        if new {
            self.write_extension(&mut transaction, extension).await?;
        }
        transaction.commit().await?;
        Ok(new)
    }

    /// Adds or changes an extension. [`StoreError::BadNumber`], [`StoreError::BadName`].
    pub async fn put_extension(&self, extension: &Extension) -> Result<Put, StoreError> {
        let mut transaction = self.begin().await?;
        let existed = exists(&mut transaction, &extension.number).await?;
        self.write_extension(&mut transaction, extension).await?;
        transaction.commit().await?;
        Ok(if existed { Put::Changed } else { Put::Added })
    }

    /// Changes an extension as its phone wishes; `None` if it does not exist, or the wish cannot be had.
    pub async fn change_extension(&self, number: &str, wish: ExtensionWish) -> Result<Option<Extension>, StoreError> {
        let mut transaction = self.begin().await?;
        let sql = "SELECT * FROM extensions WHERE number = ?1";
        let row = sqlx::query(sql).bind(number).fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Ok(None) };
        let mut extension = self.extension_of(&row)?;
        if extension.obey(wish).is_err() {
            return Ok(None);
        }
        self.write_extension(&mut transaction, &extension).await?;
        transaction.commit().await?;
        Ok(Some(extension))
    }

    /// Removes an extension; false if there was none. Users bound to it lose the binding.
    pub async fn remove_extension(&self, number: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM extensions WHERE number = ?1").bind(number).execute(&self.0.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Adds many in one transaction, all or none. One that exists gets the new name and password and keeps its settings.
    pub async fn import_extensions(&self, list: Vec<NewExtension>) -> Result<Imported, StoreError> {
        let mut transaction = self.begin().await?;
        let mut imported = Imported { added: 0, changed: 0, extensions: Vec::with_capacity(list.len()) };
        for new in list {
            let mut extension = new.in_realm(self.realm());
            let sql = "SELECT * FROM extensions WHERE number = ?1";
            match sqlx::query(sql).bind(&new.number).fetch_optional(&mut *transaction).await? {
                Some(row) => {
                    imported.changed += 1;
                    let old = self.extension_of(&row)?;
                    extension = Extension {
                        name: extension.name,
                        ha1: extension.ha1,
                        rights: new.rights.or(old.rights),
                        outside_number: new.outside_number.unwrap_or_else(|| old.outside_number.clone()),
                        ..old
                    };
                }
                None => imported.added += 1,
            }
            self.write_extension(&mut transaction, &extension).await?;
            imported.extensions.push(extension);
        }
        transaction.commit().await?;
        Ok(imported)
    }

    async fn write_extension(&self, to: &mut SqliteConnection, extension: &Extension) -> Result<(), StoreError> {
        if !valid_number(&extension.number) {
            return Err(StoreError::BadNumber);
        }
        if !valid_name(&extension.name) {
            return Err(StoreError::BadName);
        }
        if !extension.outside_number.is_empty() && !valid_number(&extension.outside_number) {
            return Err(StoreError::BadNumber);
        }
        let forward = serde_json::to_string(&extension.forward).map_err(|_| StoreError::Damaged("forwards"))?;
        let Ha1 { md5, sha256, sha512_256 } = &extension.ha1;
        let plain = [md5.as_slice(), sha256, sha512_256].concat();
        let sealed = self.0.secrets.seal(&label(&extension.number), &plain)?;
        sqlx::query(
            "INSERT INTO extensions (number, name, ha1, enabled, record, ring_seconds, max_calls, rights, outside_number, allow, \
             monitor, intercom, auto_answer, srtp, codecs, contacts, watched_by, inband_dtmf, media, \
             forward, do_not_disturb, call_waiting) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) ON CONFLICT (number) DO UPDATE SET \
             name = ?2, ha1 = ?3, enabled = ?4, record = ?5, ring_seconds = ?6, max_calls = ?7, rights = ?8, \
             outside_number = ?9, allow = ?10, monitor = ?11, intercom = ?12, auto_answer = ?13, srtp = ?14, codecs = ?15, \
             contacts = ?16, watched_by = ?17, inband_dtmf = ?18, media = ?19, forward = ?20, do_not_disturb = ?21, \
             call_waiting = ?22",
        )
        .bind(&extension.number)
        .bind(&extension.name)
        .bind(sealed)
        .bind(extension.enabled)
        .bind(extension.record)
        .bind(extension.ring_seconds)
        .bind(extension.max_calls)
        .bind(extension.rights.map(Rights::name))
        .bind(&extension.outside_number)
        .bind(extension.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .bind(extension.monitor)
        .bind(extension.intercom)
        .bind(extension.auto_answer.name())
        .bind(extension.srtp.map(Srtp::name))
        .bind(extension.codecs.join(" "))
        .bind(extension.contacts)
        .bind(extension.watched_by.to_string())
        .bind(extension.inband_dtmf.name())
        .bind(extension.media.name())
        .bind(forward)
        .bind(extension.do_not_disturb)
        .bind(extension.call_waiting)
        .execute(to)
        .await?;
        Ok(())
    }

    fn extension_of(&self, row: &SqliteRow) -> Result<Extension, StoreError> {
        let number: String = row.try_get("number")?;
        let sealed: &[u8] = row.try_get("ha1")?;
        let ha1 = self.0.secrets.open_sealed(&label(&number), sealed).and_then(|plain| {
            let (md5, rest) = plain.split_first_chunk::<16>()?;
            let (sha256, rest) = rest.split_first_chunk::<32>()?;
            Some(Ha1 { md5: *md5, sha256: *sha256, sha512_256: rest.try_into().ok()? })
        });
        let rights: Option<&str> = row.try_get("rights")?;
        let rights = match rights.map(Rights::of_name) {
            Some(None) => return Err(StoreError::Damaged("rights of an extension")),
            known => known.flatten(),
        };
        let srtp: Option<&str> = row.try_get("srtp")?;
        let srtp = match srtp.map(Srtp::of_name) {
            Some(None) => return Err(StoreError::Damaged("encryption of an extension")),
            known => known.flatten(),
        };
        let codecs: &str = row.try_get("codecs")?;
        Ok(Extension {
            ha1: ha1.ok_or(StoreError::Damaged("secret of an extension"))?,
            number,
            name: row.try_get("name")?,
            enabled: row.try_get("enabled")?,
            record: row.try_get("record")?,
            ring_seconds: row.try_get("ring_seconds")?,
            max_calls: row.try_get("max_calls")?,
            rights,
            outside_number: row.try_get("outside_number")?,
            allow: networks(row.try_get("allow")?)?,
            monitor: row.try_get("monitor")?,
            intercom: row.try_get("intercom")?,
            auto_answer: AutoAnswer::of_name(row.try_get("auto_answer")?)
                .ok_or(StoreError::Damaged("auto-answer of an extension"))?,
            srtp,
            codecs: codecs.split_whitespace().map(str::to_owned).collect(),
            inband_dtmf: InbandDtmf::of_name(row.try_get("inband_dtmf")?)
                .ok_or(StoreError::Damaged("keys in the sound of an extension"))?,
            contacts: row.try_get("contacts")?,
            watched_by: row
                .try_get::<&str, _>("watched_by")?
                .parse()
                .map_err(|_| StoreError::Damaged("watchers of an extension"))?,
            media: MediaKind::of_name(row.try_get("media")?)
                .ok_or(StoreError::Damaged("kind of media of an extension"))?,
            forward: serde_json::from_str(row.try_get("forward")?)
                .map_err(|_| StoreError::Damaged("forwards of an extension"))?,
            do_not_disturb: row.try_get("do_not_disturb")?,
            call_waiting: row.try_get("call_waiting")?,
        })
    }
}

/// What was written cannot be unreadable; if it is, nobody is let in by mistake.
fn networks(text: &str) -> Result<Vec<model::Net>, StoreError> {
    let net = |text: &str| text.parse().map_err(|_| StoreError::Damaged("networks of an extension"));
    text.split_whitespace().map(net).collect()
}

fn label(number: &str) -> String {
    format!("ha1/{number}")
}

async fn exists(on: &mut SqliteConnection, number: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM extensions WHERE number = ?1";
    Ok(sqlx::query(sql).bind(number).fetch_optional(on).await?.is_some())
}
