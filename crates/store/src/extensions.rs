//! Extensions.
use crate::{Store, StoreError};
use model::{Extension, Ha1};

/// An extension as an import brings it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewExtension {
    /// Its number.
    pub number: String,
    /// Its display name; may be empty.
    pub name: String,
    /// Its SIP password, in clear; never stored.
    pub password: String,
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

/// Digest secrets of a user in a realm (RFC 7616 §3.4.2).
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 { let _ = (user, realm, password); todo!() }
/// Is this a number an extension may have: 1 to 32 of `0-9 a-z A-Z . _ + * # -`?
pub fn valid_number(number: &str) -> bool { let _ = number; todo!() }

impl Store {
    /// All extensions, by number.
    pub async fn extensions(&self) -> Result<Vec<Extension>, StoreError> { todo!() }
    /// One extension.
    pub async fn extension(&self, number: &str) -> Result<Option<Extension>, StoreError> { let _ = number; todo!() }
    /// Adds or changes an extension.
    pub async fn put_extension(&self, extension: &Extension) -> Result<Put, StoreError> { let _ = extension; todo!() }
    /// Removes an extension; false if there was none. Users bound to it lose the binding.
    pub async fn remove_extension(&self, number: &str) -> Result<bool, StoreError> { let _ = number; todo!() }
    /// Adds or changes many in one transaction: all or none.
    pub async fn import_extensions(&self, list: Vec<NewExtension>) -> Result<Imported, StoreError> { let _ = list; todo!() }
}
