//! The first start: accounts with passwords of their own, shown once.

use crate::edge::Served;
use model::Role;
use std::net::SocketAddr;
use stdx::Entropy;
use store::{NewExtension, NewUser, Store, StoreError, md5_hex};

/// The demo extensions.
pub const EXTENSIONS: [(&str, &str); 3] = [("1001", "Demo 1001"), ("1002", "Demo 1002"), ("1003", "Demo 1003")];

/// Set once the accounts have been made.
const DONE: &str = "first_run_done";

/// Twelve characters of 32: 60 bits, without letters that look alike.
const PASSWORD: usize = 12;

/// Accounts that were made just now.
#[derive(Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The administrator's name and password.
    pub admin: (String, String),
    /// Extensions and their passwords.
    pub extensions: Vec<(String, String)>,
}

/// Makes the accounts if this is the first start of this store.
pub async fn accounts(store: &Store, entropy: &mut Entropy) -> Result<Option<Accounts>, StoreError> {
    if store.setting(DONE).await?.is_some() {
        return Ok(None);
    }
    let extensions: Vec<(String, String)> =
        EXTENSIONS.iter().map(|(number, _)| ((*number).to_owned(), entropy.token(PASSWORD))).collect();
    let new = EXTENSIONS.iter().zip(&extensions).map(|((number, name), (_, password))| NewExtension {
        number: (*number).to_owned(),
        name: (*name).to_owned(),
        password: password.clone(),
        ..NewExtension::default()
    });
    // A start that died half-way left some of this behind, with passwords nobody has seen: they are set anew.
    store.import_extensions(new.collect()).await?;
    let password = entropy.token(PASSWORD);
    user(store, ("admin", "Administrator", Role::Admin), None, &password).await?;
    // Whoever has an extension's password logs in to the agent's page with it.
    for ((number, name), (_, password)) in EXTENSIONS.iter().zip(&extensions) {
        user(store, (number, name, Role::Agent), Some(number), password).await?;
    }
    Ok(Some(Accounts { admin: ("admin".to_owned(), password), extensions }))
}

async fn user(
    store: &Store,
    (username, nickname, role): (&str, &str, Role),
    extension: Option<&str>,
    password: &str,
) -> Result<(), StoreError> {
    let password_md5 = md5_hex(password);
    if let Some(account) = store.user_named(username).await? {
        store.change_user(&account.user, Some(&password_md5)).await?;
        return Ok(());
    }
    let (username, nickname, extension) = (username.to_owned(), nickname.to_owned(), extension.map(str::to_owned));
    store.add_user(NewUser { username, nickname, role, extension, enabled: true, password_md5 }).await?;
    Ok(())
}

/// They have been shown: never again. Until then a start makes them anew.
pub async fn shown(store: &Store) -> Result<(), StoreError> {
    store.set_setting(DONE, "1").await
}

/// The accounts in a box for the terminal, in Chinese and English.
pub fn boxed(accounts: &Accounts, served: &Served) -> String {
    let first = |all: &[SocketAddr]| all.first().map(|at| crate::run_file::reachable(*at));
    let http = first(&served.http).map(|at| format!("http://{at}")).unwrap_or_default();
    let mut lines = vec![
        "Patchbay 首次启动：以下密码只显示这一次，请立即保存。".to_owned(),
        "First start: these passwords are shown only now. Keep them.".to_owned(),
        String::new(),
        format!("管理员 Administrator   {:<8} {}", accounts.admin.0, accounts.admin.1),
    ];
    for (number, password) in &accounts.extensions {
        lines.push(format!("分机   Extension       {number:<8} {password}"));
    }
    lines.push(String::new());
    let sip = [("UDP", &served.udp), ("TCP", &served.tcp), ("TLS", &served.tls)];
    let sip = sip.map(|(name, all)| (name, first(all)));
    for (name, at) in sip {
        lines.extend(at.map(|at| format!("SIP    {at} ({name})")));
    }
    let https = first(&served.https);
    lines.extend(first(&served.http).map(|at| format!("       ws://{at}/sip")));
    lines.extend(https.map(|at| format!("       wss://{at}/sip")));
    lines.push(format!("网页电话 Phone in a page   {http}/"));
    lines.push("       用分机号和上面的密码登录 Log in with an extension's number and its password.".to_owned());
    lines.push(format!("API    {http}/patchbay/v1/docs"));
    lines.extend(https.map(|at| format!("       https://{at}/patchbay/v1/docs")));
    lines.push("更改密码 Change:  patchbay user set admin --password …".to_owned());
    lines.push(
        "                  patchbay extension set 1001 --password …  patchbay user set 1001 --password …".to_owned(),
    );
    let width = lines.iter().map(|l| columns(l)).max().unwrap_or(0);
    let mut text = format!("┌{}┐\n", "─".repeat(width + 2));
    for line in lines {
        text.push_str(&format!("│ {line}{} │\n", " ".repeat(width - columns(&line))));
    }
    text.push_str(&format!("└{}┘\n", "─".repeat(width + 2)));
    text
}

/// Columns of a terminal that a text takes: Chinese characters and full-width punctuation take two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}') { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accounts_are_made_once_and_their_passwords_work() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(store::Config::new(dir.path())).await.unwrap();
        let accounts = accounts(&store, &mut Entropy::seeded(1)).await.unwrap().unwrap();
        let loopback = std::net::Ipv4Addr::LOCALHOST.into();
        let user = store.authenticate("admin", &md5_hex(&accounts.admin.1), loopback).await.unwrap();
        assert_eq!(user.role, Role::Admin);
        for (number, password) in &accounts.extensions {
            let extension = store.extension(number).await.unwrap().unwrap();
            assert_eq!(extension.ha1, store::ha1(number, store.realm(), password));
            let agent = store.authenticate(number, &md5_hex(password), loopback).await.unwrap();
            assert_eq!((agent.role, agent.extension.as_deref()), (Role::Agent, Some(number.as_str())));
        }
        // A start that failed before it could show them makes others; one that has shown them makes no more.
        let again = super::accounts(&store, &mut Entropy::seeded(2)).await.unwrap().unwrap();
        assert_ne!(again, accounts);
        assert!(store.authenticate("admin", &md5_hex(&again.admin.1), loopback).await.is_ok());
        shown(&store).await.unwrap();
        assert_eq!(super::accounts(&store, &mut Entropy::seeded(3)).await.unwrap(), None);
    }

    #[test]
    fn the_box_has_straight_edges() {
        let accounts = Accounts {
            admin: ("admin".to_owned(), "abcdefgh2345".to_owned()),
            extensions: vec![("1001".to_owned(), "x".repeat(12))],
        };
        let at = |text: &str| vec![text.parse().unwrap()];
        let served = Served {
            udp: at("192.0.2.1:5060"),
            tls: at("192.0.2.1:5061"),
            http: at("0.0.0.0:9999"),
            https: at("[::]:9443"),
            ..Served::default()
        };
        let text = boxed(&accounts, &served);
        assert!(text.contains("192.0.2.1:5061 (TLS)") && text.contains("wss://[::1]:9443/sip"), "{text}");
        let widths: Vec<usize> = text.lines().map(columns).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{text}");
        assert!(text.contains("abcdefgh2345") && text.contains("xxxxxxxxxxxx"));
    }
}
