//! Which passwords are good enough to be set here.

use crate::problem::{Kind, Problem};

/// 8 to 128 characters, no control characters, and not the account's own name: the first guess of every scanner.
pub(super) fn check(password: &str, account: &str) -> Result<(), Problem> {
    let fine =
        (8..=128).contains(&password.chars().count()) && !password.chars().any(char::is_control) && password != account;
    if fine { Ok(()) } else { Err(Kind::BadPassword.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_long_unprintable_and_obvious_passwords_are_refused() {
        assert!(check("8 characters", "1001").is_ok());
        assert!(check("密码密码密码密码", "1001").is_ok());
        for bad in ["", "1234567", "line\nbreak", &"x".repeat(129), "10000001"] {
            assert!(check(bad, "10000001").is_err(), "{bad}");
        }
    }
}
