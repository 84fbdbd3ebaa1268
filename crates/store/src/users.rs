//! Users.
use crate::{LoginRefusal, Store, StoreError};
use model::{Role, User};
use std::net::IpAddr;
use stdx::UnixMillis;

/// A user to be added.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Account name: 1 to 64 characters, no control characters.
    pub username: String,
    /// Display name.
    pub nickname: String,
    /// What it may do.
    pub role: Role,
    /// Its extension, which must exist.
    pub extension: Option<String>,
    /// Can it log in?
    pub enabled: bool,
    /// MD5 of its clear password, 32 hex digits (see [`md5_hex`]).
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
pub fn md5_hex(clear: &str) -> String { let _ = clear; todo!() }

impl Store {
    /// All users, by id.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> { todo!() }
    /// One user.
    pub async fn user(&self, id: i64) -> Result<Option<Account>, StoreError> { let _ = id; todo!() }
    /// One user by account name.
    pub async fn user_named(&self, username: &str) -> Result<Option<Account>, StoreError> { let _ = username; todo!() }
    /// Adds a user.
    pub async fn add_user(&self, new: NewUser) -> Result<User, StoreError> { let _ = new; todo!() }
    /// Changes a user, found by its id, and its password if one is given; false if there is none.
    pub async fn change_user(&self, user: &User, password_md5: Option<&str>) -> Result<bool, StoreError> { let _ = (user, password_md5); todo!() }
    /// Removes a user; false if there was none.
    pub async fn remove_user(&self, id: i64) -> Result<bool, StoreError> { let _ = id; todo!() }
    /// Checks a login. `password_md5` is the MD5 of the clear password in hex, any case.
    pub async fn authenticate(&self, username: &str, password_md5: &str, peer: IpAddr) -> Result<User, LoginRefusal> { let _ = (username, password_md5, peer); todo!() }
}
