//! What the API stands on.

use std::path::PathBuf;
use std::time::Duration;
use store::Store;

/// Everything the routes need. Clones are cheap.
#[derive(Clone)]
pub struct ApiState<S> {
    /// The switch.
    pub switch: S,
    /// Extensions, users, records.
    pub store: Store,
    /// The folder that recordings' paths are below.
    pub recordings_dir: PathBuf,
    /// How logins are answered.
    pub login: LoginSettings,
    /// The program's version, shown in the API's description.
    pub version: &'static str,
}

/// How logins are answered.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// The `iss` claim of tokens.
    pub issuer: String,
    /// How long a token counts.
    pub token_life: Duration,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self { issuer: "ipt-server".into(), token_life: Duration::from_secs(12 * 3600) }
    }
}
