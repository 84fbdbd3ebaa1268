//! `[recording]` and `[recording_store]`: sound that is kept, and where.

use super::words;
use crate::recorder::convert::Format;
use crate::recorder::objects;
use crate::recorder::retain::Rules;
use crate::recorder::seal::MasterKeys;
use crate::recorder::upload;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `[recording]`: sound that is kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Where; by default `recordings` below `data_dir`.
    pub dir: Option<PathBuf>,
    /// Recording stops while the disk has less room than this.
    pub min_free_mb: u64,
    /// Both voices in one channel, not one for each.
    pub mixed: bool,
    /// Who hears a short tone when it begins.
    pub beep: Beep,
    /// And again at this distance; 0: not again.
    pub beep_seconds: u32,
    /// A recording goes on in another file before one is longer than this.
    #[serde(deserialize_with = "words::file_size")]
    pub max_file_mb: u32,
    /// A file with a key for which recordings are encrypted; without: they are not.
    pub key_file: Option<PathBuf>,
    /// Keys that older recordings need.
    pub old_key_files: Vec<PathBuf>,
    /// Names below the folder.
    #[serde(deserialize_with = "words::recording_name")]
    pub name: String,
    /// What recordings become after the call.
    pub format: RecordingFormat,
    /// Recordings go after so many days; 0: never.
    pub keep_days: u32,
    /// All recordings together take no more room than this, the oldest go; 0: they may take the whole disk.
    pub max_gb: u32,
}

/// Who hears that there is a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beep {
    /// Nobody.
    None,
    /// Both parties.
    Both,
    /// Who calls.
    Caller,
    /// Who was called.
    Callee,
}

/// What recordings become after the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingFormat {
    /// They stay as they are.
    #[default]
    Wav,
    /// MP3, if `lame` is installed.
    Mp3,
    /// Opus in Ogg.
    Opus,
}

impl Recording {
    /// How long recordings are kept.
    pub fn rules(&self) -> Rules {
        let age = (self.keep_days > 0).then(|| Duration::from_secs(u64::from(self.keep_days) * 24 * 3600));
        let room = (self.max_gb > 0).then(|| u64::from(self.max_gb) << 30);
        Rules { age, room }
    }

    /// With what they are encrypted.
    ///
    /// # Errors
    ///
    /// If a key file cannot be read, or holds no key.
    pub fn masters(&self) -> Result<Option<Arc<MasterKeys>>, String> {
        let read = |current: &PathBuf| MasterKeys::read(current, &self.old_key_files).map(Arc::new);
        let masters = self.key_file.as_ref().map(read).transpose();
        masters.map_err(|e| format!("[recording] key_file: {e}"))
    }

    /// What they become, if that is something else.
    pub fn conversion(&self) -> Option<Format> {
        match self.format {
            RecordingFormat::Wav => None,
            RecordingFormat::Mp3 => Some(Format::Mp3),
            RecordingFormat::Opus => Some(Format::Opus),
        }
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            dir: None,
            min_free_mb: 200,
            mixed: false,
            beep: Beep::None,
            beep_seconds: 0,
            max_file_mb: 4_000,
            key_file: None,
            old_key_files: Vec::new(),
            name: "{yyyy}/{MM}/{dd}/{call}".to_owned(),
            format: RecordingFormat::Wav,
            keep_days: 0,
            max_gb: 0,
        }
    }
}

/// `[recording_store]`: a store that speaks S3, to which recordings go after the call.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingStore {
    /// Its address; without: recordings stay here.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region that signatures name.
    pub region: String,
    /// Before every object's name.
    pub prefix: String,
    /// The bucket stands in the path, not in the host's name.
    pub path_style: bool,
    /// Who we are there.
    pub access_key: String,
    /// What proves it.
    pub secret_key: String,
    /// Recordings stay here too.
    pub keep: bool,
}

impl Default for RecordingStore {
    fn default() -> Self {
        Self {
            endpoint: None,
            bucket: String::new(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            path_style: true,
            access_key: String::new(),
            secret_key: String::new(),
            keep: false,
        }
    }
}

// The secret stays out of logs.
impl fmt::Debug for RecordingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingStore")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl RecordingStore {
    /// The store, if there is one.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings.
    pub fn objects(&self) -> Result<Option<objects::Objects>, String> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let wrong = |e: &dyn fmt::Display| format!("[recording_store] endpoint: {e}");
        let endpoint = reqwest::Url::parse(endpoint).map_err(|e| wrong(&e))?;
        if !["http", "https"].contains(&endpoint.scheme()) {
            return Err(wrong(&"it must begin with http:// or https://"));
        }
        if [&self.bucket, &self.access_key, &self.secret_key].iter().any(|value| value.is_empty()) {
            return Err("[recording_store]: bucket, access_key and secret_key are needed".to_owned());
        }
        let settings = objects::Settings {
            endpoint,
            bucket: self.bucket.clone(),
            region: self.region.clone(),
            prefix: self.prefix.clone(),
            path_style: self.path_style,
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
        };
        objects::Objects::new(settings).map(Some).map_err(|e| wrong(&e))
    }

    /// How recordings are put there.
    pub fn upload(&self, folder: PathBuf, recording: &Recording) -> upload::Settings {
        let suffix = recording.conversion().map_or("wav", Format::suffix);
        upload::Settings {
            folder,
            keep: self.keep,
            suffix,
            every: upload::EVERY,
            quiet: upload::QUIET,
            again: upload::AGAIN,
        }
    }
}
