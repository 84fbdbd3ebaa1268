//! Webhooks and what they have not taken yet.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::record;
use patchbay_store::{Batch, Config, Hot, HotSync, Kept, NewDelivery, RecordWriter, Store, StoreError, Tried, Webhook};
use std::time::Duration;
use stdx::Entropy;

async fn open(dir: &std::path::Path) -> Store {
    Store::open(Config::new(dir)).await.unwrap()
}

fn webhook(kinds: &[&str]) -> Webhook {
    Webhook {
        id: 0,
        name: "crm".into(),
        url: "http://192.0.2.1/hook".into(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        secret: "a secret of some length".into(),
        active: true,
    }
}

fn event(webhook: i64, body: &str) -> NewDelivery {
    NewDelivery { webhook, kind: "dtmf", at: 7, body: body.into() }
}

#[tokio::test]
async fn webhooks_are_kept_with_their_secret_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let added = store.add_webhook(webhook(&["dtmf", "call_ended"])).await.unwrap();
    let changed = Webhook { active: false, secret: "another secret".into(), kinds: Vec::new(), ..added.clone() };
    assert_eq!(store.webhook(added.id).await.unwrap().as_ref(), Some(&added));
    assert!(added.wants("dtmf") && !added.wants("call_started") && !changed.wants("dtmf"));
    assert!(store.change_webhook(&changed).await.unwrap());
    assert_eq!(store.webhooks().await.unwrap(), [changed]);
    store.close().await;
    let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(14).any(|part| part == b"another secret"), "{}", file.display());
    }
    let store = open(dir.path()).await;
    assert!(store.remove_webhook(added.id).await.unwrap() && !store.remove_webhook(added.id).await.unwrap());
    let again = store.add_webhook(webhook(&[])).await.unwrap();
    assert!(again.id > added.id, "a number is never used twice");
    for _ in 1..patchbay_store::MAX_WEBHOOKS {
        store.add_webhook(webhook(&[])).await.unwrap();
    }
    assert!(matches!(store.add_webhook(webhook(&[])).await, Err(StoreError::Full(_))));
}

#[tokio::test]
async fn what_is_to_be_told_waits_is_tried_again_dies_and_rises() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let (one, other) =
        (store.add_webhook(webhook(&[])).await.unwrap().id, store.add_webhook(webhook(&[])).await.unwrap().id);
    let news = store.delivery_news();
    let mut news = std::pin::pin!(news);
    news.as_mut().enable();
    assert_eq!(
        store.put_deliveries(&[event(one, "a"), event(one, "b"), event(other, "c"), event(99, "d")]).await.unwrap(),
        1
    );
    news.await;
    let due = store.due_deliveries(one, 1_000, 10).await.unwrap();
    assert_eq!(due.iter().map(|d| d.body.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((due[0].kind.as_str(), due[0].created_at, due[0].tries), ("dtmf", 7, 0));
    let tried = [(due[0].id, Tried::Taken), (due[1].id, Tried::Again(2_000, "HTTP 500".into()))];
    store.settle_deliveries(&tried).await.unwrap();
    assert_eq!(store.due_deliveries(one, 1_999, 10).await.unwrap(), []);
    assert_eq!(store.next_delivery(one).await.unwrap(), Some(2_000));
    let again = store.due_deliveries(one, 2_000, 10).await.unwrap();
    assert_eq!((again[0].id, again[0].tries, again[0].last.as_str()), (due[1].id, 1, "HTTP 500"));

    store.settle_deliveries(&[(due[1].id, Tried::Dead("HTTP 410".into()))]).await.unwrap();
    assert_eq!((store.next_delivery(one).await.unwrap(), store.count_deliveries(one).await.unwrap()), (None, (0, 1)));
    assert_eq!(store.dead_deliveries(one, None, 10).await.unwrap()[0].last, "HTTP 410");
    assert_eq!(store.dead_deliveries(other, None, 10).await.unwrap(), []);
    assert_eq!(store.resend_deliveries(other, Some(due[1].id), 9).await.unwrap(), 0, "it is another's");
    assert_eq!(store.resend_deliveries(one, None, 9_000).await.unwrap(), 1);
    let risen = store.due_deliveries(one, 9_000, 10).await.unwrap();
    assert_eq!((risen[0].id, risen[0].tries, risen[0].created_at), (due[1].id, 0, 9_000), "it keeps its number");

    // What was never tried does not grow too old.
    assert_eq!(store.expire_deliveries(one, 10_000).await.unwrap(), [0_i64; 0]);
    store.settle_deliveries(&[(due[1].id, Tried::Again(20_000, "no answer".into()))]).await.unwrap();
    assert_eq!(store.expire_deliveries(one, 10_000).await.unwrap(), [due[1].id]);
}

#[tokio::test]
async fn a_record_is_to_be_told_as_soon_as_it_is_stored_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let hot = Hot::open(&dir.path().join("hot"), HotSync::default()).unwrap();
    let wanting = store.add_webhook(webhook(&["dtmf", "call_ended"])).await.unwrap().id;
    let all = store.add_webhook(webhook(&[])).await.unwrap().id;
    let others = [webhook(&["dtmf"]), Webhook { active: false, ..webhook(&[]) }];
    let mut deaf = Vec::new();
    for other in others {
        deaf.push(store.add_webhook(other).await.unwrap().id);
    }
    let writer = RecordWriter::start(store.clone(), hot, |_| ());
    let mut entropy = Entropy::seeded(1);
    let call = record(&mut entropy, 5, "100", "101");
    for _ in 0..2 {
        assert_eq!(writer.write(call.clone(), Batch::default()), Kept::Hot);
        assert!(writer.flush(Duration::from_secs(20)).await);
    }
    for webhook in [wanting, all] {
        let due = store.due_deliveries(webhook, 0, 10).await.unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!(
            (due[0].kind.as_str(), &due[0].record),
            ("call_ended", &Some((call.id, Some(Box::new(call.clone())))))
        );
    }
    for webhook in deaf {
        assert_eq!(store.count_deliveries(webhook).await.unwrap(), (0, 0));
    }
}
