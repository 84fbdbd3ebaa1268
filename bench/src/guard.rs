//! Where load may go: the loopback network, unless its operator says otherwise.

use std::net::SocketAddrV4;

use anyhow::{Result, bail};

/// Refuses an address outside the loopback network, unless `allow_remote`.
pub fn check(what: &str, addr: SocketAddrV4, allow_remote: bool) -> Result<()> {
    if addr.ip().is_loopback() || allow_remote {
        return Ok(());
    }
    bail!(
        "{what} {addr} is not a loopback address; a load driver can hurt others: add --allow-remote if they know of it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_leaves_the_machine_only_when_told() {
        assert!(check("--target", "127.0.0.9:5060".parse().unwrap(), false).is_ok());
        let refused = check("--target", "192.0.2.1:5060".parse().unwrap(), false).unwrap_err();
        assert!(refused.to_string().contains("--allow-remote"));
        assert!(check("--target", "192.0.2.1:5060".parse().unwrap(), true).is_ok());
    }
}
