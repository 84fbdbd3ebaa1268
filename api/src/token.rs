//! Tokens: JWT as contract A (section 2.1) has them; the native API takes the same.

use crate::problem::Problem;
use crate::state::{App, LoginSettings};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{Command, Role, User};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use store::Account;

/// Tokens count this many seconds before they were issued: clocks differ.
const BACKDATED: u64 = 1000;

/// What a token says. The spelling is the contract's.
#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "ID")]
    id: i64,
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "AuthorityId")]
    authority: i64,
    exp: u64,
    nbf: u64,
    iss: String,
}

/// A token, and when it lapses (Unix seconds).
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires_at: u64,
}

/// Why a token does not count.
pub(crate) enum Invalid {
    /// Its time is over.
    Expired,
    /// Forged, malformed, of a user who is gone or disabled, or older than the user's password.
    Refused,
    /// It could not be checked.
    Unknown(Problem),
}

/// A token for a user who has just proved who it is.
fn issue(key: &[u8; 32], settings: &LoginSettings, user: &User) -> Result<Token, Problem> {
    let now = unix_seconds();
    let claims = Claims {
        id: user.id,
        username: user.username.clone(),
        authority: authority(user.role),
        exp: now + settings.token_life.as_secs(),
        nbf: now.saturating_sub(BACKDATED),
        iss: settings.issuer.clone(),
    };
    let text = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key))
        .map_err(|e| Problem::ours(&e))?;
    Ok(Token { text, expires_at: claims.exp })
}

/// The same, told to the switch: as long as it counts it is good as the SIP password of the user's extension, so that a page needs no other.
pub(crate) async fn give(app: &App, user: &User) -> Result<Token, Problem> {
    let token = issue(app.store.jwt_key(), &app.login, user)?;
    if let Some(extension) = &user.extension {
        let ha1 = store::ha1(extension, app.store.realm(), &token.text);
        let until = token.expires_at.saturating_mul(1000);
        let command = Command::KnowToken { extension: extension.clone(), user: user.id, ha1, until };
        if let Err(refusal) = app.switch.command(command).await {
            tracing::warn!(?refusal, user = user.id, "a new token is not known to the switch: it is no SIP password");
        }
    }
    Ok(token)
}

/// The tokens of a user are no SIP passwords any more.
pub(crate) async fn withdraw(app: &App, user: &User) -> Result<(), Problem> {
    if let Some(extension) = user.extension.clone() {
        app.switch.command(Command::ForgetTokens { extension, user: user.id }).await?;
    }
    Ok(())
}

/// A token for a user, without a login: for programs that own the data folder, and so the key that signs.
pub fn mint_token(store: &store::Store, user: &User, life: std::time::Duration) -> Result<String, MintError> {
    let settings = LoginSettings { token_life: life, ..LoginSettings::default() };
    issue(store.jwt_key(), &settings, user).map(|token| token.text).map_err(|_| MintError)
}

/// No token could be signed; why is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintError;

impl std::fmt::Display for MintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no token could be signed")
    }
}

impl std::error::Error for MintError {}

/// Who a token stands for, if it counts now.
pub(crate) async fn check(app: &App, token: &str) -> Result<User, Invalid> {
    user_of(&app.store, token).await
}

/// The extension for which a token may speak SIP: its user's own. `None` if the token does not count, or there is none.
pub async fn extension_of(store: &store::Store, token: &str) -> Option<String> {
    match user_of(store, token).await {
        Ok(user) => user.extension,
        Err(Invalid::Expired | Invalid::Refused) => None,
        Err(Invalid::Unknown(_)) => {
            tracing::warn!("a token could not be checked: the database does not answer");
            None
        }
    }
}

async fn user_of(store: &store::Store, token: &str) -> Result<User, Invalid> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "nbf"]);
    let key = DecodingKey::from_secret(store.jwt_key());
    let claims = match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
        Ok(token) => token.claims,
        Err(e) if matches!(e.kind(), ErrorKind::ExpiredSignature) => return Err(Invalid::Expired),
        Err(_) => return Err(Invalid::Refused),
    };
    let account = store.user(claims.id).await.map_err(|e| Invalid::Unknown(e.into()))?;
    let Some(Account { user, password_set_at }) = account else { return Err(Invalid::Refused) };
    let issued_at = claims.nbf.saturating_add(BACKDATED);
    if !user.enabled || user.username != claims.username || issued_at < password_set_at / 1000 {
        return Err(Invalid::Refused);
    }
    Ok(user)
}

/// The contract's number of a role.
fn authority(role: Role) -> i64 {
    match role {
        Role::Admin => 1,
        Role::Supervisor => 2,
        Role::Agent => 3,
        Role::Integrator => 4,
    }
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
