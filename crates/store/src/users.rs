//! Users: who may log in to the APIs, and whether the password is right.

use crate::extensions::valid_name;
use crate::{LoginRefusal, Store, StoreError, secrets, sql};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use md5::{Digest, Md5};
use model::{Role, User};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use stdx::UnixMillis;

/// The longest account name, characters.
const MAX_USERNAME: usize = 64;

/// A user to be added.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Account name: 1 to 64 characters, no control characters, no blanks at its ends.
    pub username: String,
    /// Display name.
    pub nickname: String,
    /// What it may do.
    pub role: Role,
    /// Its extension, which must exist.
    pub extension: Option<String>,
    /// Can it log in?
    pub enabled: bool,
    /// MD5 of its clear password, 32 hex digits (see [`md5_hex`]); only a salted slow hash of it is stored.
    pub password_md5: String,
}

/// A user with what a token is checked against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The user.
    pub user: User,
    /// When its password was last set: tokens made before do not count.
    pub password_set_at: UnixMillis,
}

/// MD5 of a clear password in lower-case hex: what logins and [`NewUser`] want.
pub fn md5_hex(clear: &str) -> String {
    sql::hex(&Md5::digest(clear))
}

impl Store {
    /// All users, by id.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY id").fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| Ok(account_of(row)?.user)).collect()
    }

    /// One user.
    pub async fn user(&self, id: i64) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE id = ?1").bind(id).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(account_of).transpose()
    }

    /// One user by account name.
    pub async fn user_named(&self, username: &str) -> Result<Option<Account>, StoreError> {
        self.user_row(username).await?.as_ref().map(account_of).transpose()
    }

    /// Adds a user. [`StoreError::BadUser`], [`StoreError::UserExists`], [`StoreError::NoSuchExtension`].
    pub async fn add_user(&self, new: NewUser) -> Result<User, StoreError> {
        let md5 = normal_md5(&new.password_md5).ok_or(StoreError::BadUser)?;
        let mut user = User {
            id: 0,
            username: new.username,
            nickname: new.nickname,
            role: new.role,
            extension: new.extension,
            enabled: new.enabled,
        };
        check(&user)?;
        let hash = self.hash(md5).await?;
        let mut transaction = self.begin().await?;
        check_binding(&mut transaction, &user).await?;
        let row = sqlx::query(
            "INSERT INTO users (username, nickname, role, extension, enabled, password, password_set_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        )
        .bind(&user.username)
        .bind(&user.nickname)
        .bind(role_name(user.role))
        .bind(&user.extension)
        .bind(user.enabled)
        .bind(hash)
        .bind(now())
        .fetch_one(&mut *transaction)
        .await
        .map_err(taken)?;
        user.id = row.try_get(0)?;
        transaction.commit().await?;
        Ok(user)
    }

    /// Changes a user, found by its id, and its password if one is given; false if there is none.
    ///
    /// Errors as [`Store::add_user`], and [`StoreError::LastAdmin`].
    pub async fn change_user(&self, user: &User, password_md5: Option<&str>) -> Result<bool, StoreError> {
        check(user)?;
        let hash = match password_md5 {
            Some(md5) => Some(self.hash(normal_md5(md5).ok_or(StoreError::BadUser)?).await?),
            None => None,
        };
        let mut transaction = self.begin().await?;
        check_binding(&mut transaction, user).await?;
        if !(user.enabled && user.role == Role::Admin) {
            check_not_last_admin(&mut transaction, user.id).await?;
        }
        let done = sqlx::query(
            "UPDATE users SET username = ?2, nickname = ?3, role = ?4, extension = ?5, enabled = ?6, \
             password = coalesce(?7, password), password_set_at = iif(?7 IS NULL, password_set_at, ?8) WHERE id = ?1",
        )
        .bind(user.id)
        .bind(&user.username)
        .bind(&user.nickname)
        .bind(role_name(user.role))
        .bind(&user.extension)
        .bind(user.enabled)
        .bind(hash)
        .bind(now())
        .execute(&mut *transaction)
        .await
        .map_err(taken)?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes a user; false if there was none. [`StoreError::LastAdmin`].
    pub async fn remove_user(&self, id: i64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        check_not_last_admin(&mut transaction, id).await?;
        let done = sqlx::query("DELETE FROM users WHERE id = ?1").bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Checks a login. `password_md5` is the MD5 of the clear password in hex, any case; `peer` is who asks.
    ///
    /// Takes as long for a user who does not exist as for one who does. Failures are counted per user and address, and
    /// per address; what they were is in [`LoginRefusal`].
    pub async fn authenticate(&self, username: &str, password_md5: &str, peer: IpAddr) -> Result<User, LoginRefusal> {
        self.throttle()
            .attempt(username, peer, Instant::now())
            .map_err(|retry_after| LoginRefusal::TooMany { retry_after })?;
        let row = self.user_row(username).await?;
        let known = match &row {
            Some(row) => Some((account_of(row)?.user, row.try_get("password").map_err(StoreError::from)?)),
            None => None,
        };
        let (user, hash): (Option<User>, Option<String>) = known.unzip();
        let right = self.verify(hash, password_md5.to_ascii_lowercase()).await?;
        match user {
            Some(user) if right && user.enabled => {
                self.throttle().succeeded(username, peer);
                Ok(user)
            }
            Some(_) if right => Err(LoginRefusal::Disabled),
            _ => Err(LoginRefusal::Wrong),
        }
    }

    fn throttle(&self) -> MutexGuard<'_, crate::throttle::Throttle> {
        self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn user_row(&self, username: &str) -> Result<Option<SqliteRow>, StoreError> {
        let sql = "SELECT * FROM users WHERE username = ?1";
        Ok(sqlx::query(sql).bind(username).fetch_optional(&self.0.readers).await?)
    }

    async fn hash(&self, text: String) -> Result<String, StoreError> {
        self.slowly(move |_| slow_hash(&text)).await?
    }

    /// Is this what was hashed? With no hash it works as long and says no.
    async fn verify(&self, hash: Option<String>, text: String) -> Result<bool, StoreError> {
        self.slowly(move |store| {
            if store.0.nobody.get().is_none() {
                let _ = store.0.nobody.set(slow_hash(&sql::hex(&secrets::random::<16>()?))?);
            }
            let is_known = hash.is_some();
            let hash = hash.or_else(|| store.0.nobody.get().cloned()).unwrap_or_default();
            let parsed = PasswordHash::new(&hash).map_err(|_| StoreError::Damaged("password hash"))?;
            Ok(Argon2::default().verify_password(text.as_bytes(), &parsed).is_ok() && is_known)
        })
        .await?
    }

    /// Runs heavy work away from the runtime's threads, a few at a time.
    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T, StoreError> {
        let store = self.clone();
        let _permit = Arc::clone(&self.0.hashers).acquire_owned().await.map_err(|_| StoreError::Interrupted)?;
        tokio::task::spawn_blocking(move || {
            // Held here, not by the future: who stops waiting does not stop the work.
            let _permit = _permit;
            work(&store)
        })
        .await
        .map_err(|_| StoreError::Interrupted)
    }
}

/// Argon2id with the crate's parameters, which are OWASP's: 19 MiB, two passes.
fn slow_hash(text: &str) -> Result<String, StoreError> {
    let salt = secrets::random::<16>()?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(text.as_bytes(), &salt)
        .map_err(|_| StoreError::Damaged("password hash"))?;
    Ok(hash.to_string())
}

/// 32 hex digits of any case, in lower case.
fn normal_md5(hex: &str) -> Option<String> {
    (hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| hex.to_ascii_lowercase())
}

fn check(user: &User) -> Result<(), StoreError> {
    let name = &user.username;
    let fine = (1..=MAX_USERNAME).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
        && name.trim() == name
        && valid_name(&user.nickname);
    if fine { Ok(()) } else { Err(StoreError::BadUser) }
}

async fn check_binding(on: &mut SqliteConnection, user: &User) -> Result<(), StoreError> {
    let Some(number) = &user.extension else { return Ok(()) };
    let sql = "SELECT 1 FROM extensions WHERE number = ?1";
    match sqlx::query(sql).bind(number).fetch_optional(on).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::NoSuchExtension),
    }
}

/// Somebody other than `id` must be able to administer; unless `id` could not do so before either.
async fn check_not_last_admin(on: &mut SqliteConnection, id: i64) -> Result<(), StoreError> {
    let sql =
        "SELECT coalesce(sum(id = ?1), 0), coalesce(sum(id <> ?1), 0) FROM users WHERE enabled AND role = 'admin'";
    let row = sqlx::query(sql).bind(id).fetch_one(on).await?;
    let (this, others): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if this > 0 && others == 0 { Err(StoreError::LastAdmin) } else { Ok(()) }
}

fn taken(error: sqlx::Error) -> StoreError {
    match error.as_database_error() {
        Some(e) if e.is_unique_violation() => StoreError::UserExists,
        _ => error.into(),
    }
}

fn account_of(row: &SqliteRow) -> Result<Account, StoreError> {
    let user = User {
        id: row.try_get("id")?,
        username: row.try_get("username")?,
        nickname: row.try_get("nickname")?,
        role: role_of(row.try_get("role")?).ok_or(StoreError::Damaged("role of a user"))?,
        extension: row.try_get("extension")?,
        enabled: row.try_get("enabled")?,
    };
    Ok(Account { user, password_set_at: row.try_get::<i64, _>("password_set_at")?.cast_unsigned() })
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Supervisor => "supervisor",
        Role::Agent => "agent",
        Role::Integrator => "integrator",
    }
}

fn role_of(name: &str) -> Option<Role> {
    [Role::Admin, Role::Supervisor, Role::Agent, Role::Integrator].into_iter().find(|role| role_name(*role) == name)
}

/// The wall clock, Unix milliseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
