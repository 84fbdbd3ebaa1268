//! Extensions and users: kept, changed, refused, and who may log in.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use model::{Extension, Role, User};
use patchbay_store::{Config, LoginRefusal, NewExtension, NewUser, Put, Store, StoreError, ha1, md5_hex, valid_number};
use std::net::IpAddr;
use tempfile::TempDir;

async fn open() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Config::new(dir.path())).await.unwrap();
    (dir, store)
}

fn new_extension(number: &str, password: &str) -> NewExtension {
    NewExtension {
        number: number.into(),
        name: format!("Phone {number}"),
        password: password.into(),
        ..NewExtension::default()
    }
}

fn new_user(username: &str, role: Role) -> NewUser {
    NewUser {
        username: username.into(),
        nickname: "昵称".into(),
        role,
        extension: None,
        enabled: true,
        password_md5: md5_hex("654321"),
    }
}

fn peer(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

#[test]
fn digest_secrets_are_those_of_the_rfcs() {
    // RFC 2617 §3.5 and the contract's own sample.
    let of_rfc = ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
    assert_eq!(hex(&of_rfc.md5), "939e7578ed9e3c518a452acee763bce9");
    assert_eq!(md5_hex("654321"), "c33367701511b4f6020ec61ded352059");
    // RFC 7616 §3.9.1, checked with sha256sum: H(Mufasa:http-auth@example.org:Circle of Life).
    let of_rfc = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
    assert_eq!(hex(&of_rfc.sha256), "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
    assert_ne!(of_rfc.sha512_256, of_rfc.sha256);
    assert_eq!(format!("{of_rfc:?}"), "Ha1(secret)");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn numbers_have_only_what_fits_a_sip_user() {
    for good in ["1", "1001", "a-b_c.D+*#", &"9".repeat(32)] {
        assert!(valid_number(good), "{good}");
    }
    for bad in ["", "10 01", "a@b", "a/b", "分机", "a\r\n", &"9".repeat(33)] {
        assert!(!valid_number(bad), "{bad}");
    }
}

#[tokio::test]
async fn an_extension_is_kept_with_its_secret_sealed() {
    let (dir, store) = open().await;
    let mut extension =
        Extension { record: true, ring_seconds: 45, ..new_extension("100", "s3cret").in_realm("patchbay") };
    assert_eq!(store.put_extension(&extension).await.unwrap(), Put::Added);
    assert!(!store.add_extension(&extension).await.unwrap());
    assert_eq!(store.extension("100").await.unwrap(), Some(extension.clone()));
    extension.enabled = false;
    extension.name = "Lobby".into();
    assert_eq!(store.put_extension(&extension).await.unwrap(), Put::Changed);
    store.close().await;

    let bytes: Vec<u8> = ["patchbay.db", "patchbay.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(dir.path().join(name)).unwrap_or_default())
        .collect();
    assert!(!bytes.windows(16).any(|w| w == extension.ha1.md5), "HA1 is not in the file in clear");
    let again = Store::open(Config::new(dir.path())).await.unwrap();
    assert_eq!(again.extensions().await.unwrap(), [extension]);
    assert!(again.remove_extension("100").await.unwrap());
    assert!(!again.remove_extension("100").await.unwrap());
    assert_eq!(again.extension("100").await.unwrap(), None);
}

#[tokio::test]
async fn an_import_is_all_or_nothing_and_keeps_the_settings_of_those_that_exist() {
    let (_dir, store) = open().await;
    let old = Extension { record: true, ..new_extension("100", "old").in_realm(store.realm()) };
    store.put_extension(&old).await.unwrap();

    let bad = vec![new_extension("101", "x"), new_extension("10 2", "x")];
    assert!(matches!(store.import_extensions(bad).await, Err(StoreError::BadNumber)));
    let bad = vec![new_extension("101", "x"), NewExtension { name: "a\r\nb".into(), ..new_extension("102", "x") }];
    assert!(matches!(store.import_extensions(bad).await, Err(StoreError::BadName)));
    assert_eq!(store.extensions().await.unwrap(), [old]);

    let list = (100..1100).map(|n| new_extension(&n.to_string(), "new")).collect();
    let imported = store.import_extensions(list).await.unwrap();
    assert_eq!((imported.added, imported.changed, imported.extensions.len()), (999, 1, 1000));
    let first = store.extension("100").await.unwrap().unwrap();
    assert!(first.record);
    assert_eq!(first.ha1, ha1("100", "patchbay", "new"));
    assert_eq!(imported.extensions[0], first);
    assert_eq!(store.extensions().await.unwrap().len(), 1000);
}

#[tokio::test]
async fn users_are_added_changed_and_removed_and_ids_are_never_used_twice() {
    let (_dir, store) = open().await;
    store.put_extension(&new_extension("100", "x").in_realm("patchbay")).await.unwrap();
    let admin = store.add_user(new_user("admin", Role::Admin)).await.unwrap();
    let ana = NewUser { extension: Some("100".into()), ..new_user("ana", Role::Agent) };
    let ana = store.add_user(ana).await.unwrap();
    assert_eq!(store.users().await.unwrap(), [admin.clone(), ana.clone()]);
    assert_eq!(store.user_named("ana").await.unwrap().unwrap().user, ana);

    let before = store.user(ana.id).await.unwrap().unwrap();
    let changed = User { nickname: "Ana B".into(), role: Role::Supervisor, ..ana.clone() };
    assert!(store.change_user(&changed, None).await.unwrap());
    let after = store.user(ana.id).await.unwrap().unwrap();
    assert_eq!((after.user, after.password_set_at), (changed, before.password_set_at));

    store.remove_extension("100").await.unwrap();
    assert_eq!(store.user(ana.id).await.unwrap().unwrap().user.extension, None);

    assert!(store.remove_user(ana.id).await.unwrap());
    assert!(!store.remove_user(ana.id).await.unwrap());
    assert!(!store.change_user(&ana, None).await.is_ok_and(|found| found));
    assert_eq!(store.user(ana.id).await.unwrap(), None);
    let next = store.add_user(new_user("bob", Role::Agent)).await.unwrap();
    assert!(next.id > ana.id);
}

#[tokio::test]
async fn impossible_users_are_refused() {
    let (_dir, store) = open().await;
    let admin = store.add_user(new_user("admin", Role::Admin)).await.unwrap();
    for name in ["", " a", "a ", "a\nb", &"x".repeat(65)] {
        assert!(matches!(store.add_user(new_user(name, Role::Agent)).await, Err(StoreError::BadUser)), "{name:?}");
    }
    for md5 in ["", "654321", &"g".repeat(32), &"a".repeat(33)] {
        let user = NewUser { password_md5: md5.into(), ..new_user("x", Role::Agent) };
        assert!(matches!(store.add_user(user).await, Err(StoreError::BadUser)), "{md5:?}");
    }
    assert!(matches!(store.add_user(new_user("admin", Role::Agent)).await, Err(StoreError::UserExists)));
    let bound = NewUser { extension: Some("100".into()), ..new_user("x", Role::Agent) };
    assert!(matches!(store.add_user(bound).await, Err(StoreError::NoSuchExtension)));

    for last in [User { enabled: false, ..admin.clone() }, User { role: Role::Agent, ..admin.clone() }] {
        assert!(matches!(store.change_user(&last, None).await, Err(StoreError::LastAdmin)));
    }
    assert!(matches!(store.remove_user(admin.id).await, Err(StoreError::LastAdmin)));
    let second = store.add_user(new_user("second", Role::Admin)).await.unwrap();
    assert!(matches!(
        store.change_user(&User { username: "second".into(), ..admin.clone() }, None).await,
        Err(StoreError::UserExists)
    ));
    assert!(store.remove_user(admin.id).await.unwrap());
    assert!(matches!(store.remove_user(second.id).await, Err(StoreError::LastAdmin)));
}

#[tokio::test]
async fn the_right_password_opens_in_any_case_and_every_other_is_refused_alike() {
    let (dir, store) = open().await;
    let user = store.add_user(new_user("admin", Role::Admin)).await.unwrap();
    let md5 = md5_hex("654321");
    assert_eq!(store.authenticate("admin", &md5, peer(1)).await.unwrap(), user);
    assert_eq!(store.authenticate("admin", &md5.to_uppercase(), peer(1)).await.unwrap(), user);
    for (name, password) in [("admin", md5_hex("654322")), ("nobody", md5.clone()), ("admin", "654321".into())] {
        let refusal = store.authenticate(name, &password, peer(1)).await.unwrap_err();
        assert!(matches!(refusal, LoginRefusal::Wrong), "{name} {password}: {refusal}");
    }
    for name in ["' OR ''='", "ADMIN", &"x".repeat(100_000)] {
        assert!(matches!(store.authenticate(name, &md5, peer(2)).await, Err(LoginRefusal::Wrong)));
    }
    store.close().await;
    let bytes = std::fs::read(dir.path().join("patchbay.db")).unwrap();
    assert!(bytes.windows(9).any(|w| w == b"$argon2id"));
    assert!(!bytes.windows(32).any(|w| w == md5.as_bytes()), "the MD5 itself is as good as the password");
}

#[tokio::test]
async fn a_disabled_account_is_told_so_only_with_the_right_password() {
    let (_dir, store) = open().await;
    store.add_user(NewUser { enabled: false, ..new_user("old", Role::Agent) }).await.unwrap();
    let right = store.authenticate("old", &md5_hex("654321"), peer(1)).await;
    assert!(matches!(right, Err(LoginRefusal::Disabled)));
    let wrong = store.authenticate("old", &md5_hex("x"), peer(1)).await;
    assert!(matches!(wrong, Err(LoginRefusal::Wrong)));
}

#[tokio::test]
async fn the_sixth_failure_is_not_even_looked_at_also_when_all_come_at_once() {
    let (_dir, store) = open().await;
    store.add_user(new_user("admin", Role::Admin)).await.unwrap();
    let guesses: Vec<_> = (0..12)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.authenticate("admin", &md5_hex(&n.to_string()), peer(1)).await })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Err(LoginRefusal::Wrong) => looked_at += 1,
            Err(LoginRefusal::TooMany { retry_after }) => assert!(retry_after.as_secs() > 590),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, 5);
    let md5 = md5_hex("654321");
    assert!(matches!(store.authenticate("admin", &md5, peer(1)).await, Err(LoginRefusal::TooMany { .. })));
    assert!(store.authenticate("admin", &md5, peer(2)).await.is_ok(), "others are not locked out");
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one() {
    let (_dir, store) = open().await;
    let user = store.add_user(new_user("admin", Role::Admin)).await.unwrap();
    let before = store.user(user.id).await.unwrap().unwrap().password_set_at;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert!(store.change_user(&user, Some(&md5_hex("other"))).await.unwrap());
    assert!(store.user(user.id).await.unwrap().unwrap().password_set_at > before);
    assert!(matches!(store.authenticate("admin", &md5_hex("654321"), peer(1)).await, Err(LoginRefusal::Wrong)));
    assert!(store.authenticate("admin", &md5_hex("other"), peer(1)).await.is_ok());
    assert!(matches!(store.change_user(&user, Some("no md5")).await, Err(StoreError::BadUser)));
}
