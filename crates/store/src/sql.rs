//! The database: its file, its connections, its version, and what is kept once.

use crate::secrets::{self, Secrets};
use crate::throttle::Throttle;
use crate::{Config, Ladders, StoreError};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlSafeStr, Sqlite, SqliteConnection};
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// How many may read at once.
const READERS: u32 = 4;
/// How many passwords may be hashed at once; each takes 19 MB and a core.
const HASHERS: usize = 2;
/// How long one waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);
/// How long closing waits for ladders.
const LAST_LADDERS: Duration = Duration::from_secs(10);

/// Everything that is kept in SQL. Clones share it.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Reads go here.
    pub(crate) readers: SqlitePool,
    /// SQLite has one writer at a time; so do we, and wait here rather than in SQLite.
    pub(crate) writer: SqlitePool,
    pub(crate) secrets: Secrets,
    pub(crate) throttle: Mutex<Throttle>,
    pub(crate) hashers: Arc<Semaphore>,
    /// What a password of a user who does not exist is compared with.
    pub(crate) nobody: OnceLock<String>,
    pub(crate) ladders: Ladders,
    /// Something new is to be delivered to webhooks.
    pub(crate) deliveries: Notify,
    /// Webhooks are others.
    pub(crate) webhooks: Notify,
    realm: String,
    jwt_key: [u8; 32],
    instance_id: String,
}

impl Store {
    /// Opens the store in its folder, makes what is missing and brings the database up to date.
    pub async fn open(config: Config) -> Result<Self, StoreError> {
        make_folder(&config.data_dir)?;
        let path = config.data_dir.join("patchbay.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A call is forgotten by hot state once it is here, so it must be on the disk then: one sync per group of
            // calls. NORMAL would only move it, to a sync of the log that we would have to do before hot state forgets.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // kB per connection: there are five, and the system caches the file anyway.
            .pragma("cache_size", "-1024")
            .busy_timeout(config.busy_timeout);
        // A file does not go away as a server does: no question to it before each use.
        let pool = || SqlitePoolOptions::new().acquire_timeout(ACQUIRE).test_before_acquire(false);
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        Migrator::with_migrations(migrations()).run(&writer).await?;
        let readers = pool().max_connections(READERS).connect_with(options).await?;

        let secrets = Secrets::open(&config.data_dir.join("secret.key"))?;
        let realm = kept_once(&writer, "realm", || Ok(config.realm.clone())).await?;
        let instance_id = kept_once(&writer, "instance_id", || {
            Ok(uuid::Builder::from_random_bytes(secrets::random()?).into_uuid().to_string())
        })
        .await?;
        let sealed = kept_once(&writer, "jwt_key", || Ok(hex(&secrets.seal("jwt_key", &secrets::random::<32>()?)?)));
        let jwt_key = unhex(&sealed.await?)
            .and_then(|sealed| secrets.open_sealed("jwt_key", &sealed)?.try_into().ok())
            .ok_or(StoreError::Damaged("signing key"))?;

        Ok(Self(Arc::new(Inner {
            readers,
            writer,
            secrets,
            throttle: Mutex::default(),
            hashers: Arc::new(Semaphore::new(HASHERS)),
            nobody: OnceLock::new(),
            ladders: Ladders::new(config.data_dir.join("ladders"), config.keep_ladders),
            deliveries: Notify::new(),
            webhooks: Notify::new(),
            realm,
            jwt_key,
            instance_id,
        })))
    }

    /// The digest realm, fixed when the store was made.
    pub fn realm(&self) -> &str {
        &self.0.realm
    }

    /// The key that signs tokens, made with the store.
    pub fn jwt_key(&self) -> &[u8; 32] {
        &self.0.jwt_key
    }

    /// This installation's id, a UUID made with the store.
    pub fn instance_id(&self) -> &str {
        &self.0.instance_id
    }

    /// A setting, `None` if it was never set.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        setting(&self.0.readers, key).await
    }

    /// Sets a setting. `realm`, `instance_id` and `jwt_key` are the store's own and read only when it opens.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        sqlx::query(sql).bind(key).bind(value).execute(&self.0.writer).await?;
        Ok(())
    }

    /// The sequence number of the first event of this run: greater than any of an earlier run, which may have told 2³⁶ of them
    /// (years, at a thousand per second).
    pub async fn first_event(&self) -> Result<u64, StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES ('event_epoch', '1') \
                   ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1 RETURNING CAST(value AS INTEGER)";
        let epoch: i64 = sqlx::query(sql).fetch_one(&self.0.writer).await?.try_get(0)?;
        Ok(epoch.cast_unsigned() << 36)
    }

    /// Does the database answer? For health checks.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.0.readers).await?;
        Ok(())
    }

    /// Writes the ladders that wait and closes all connections, after the write-ahead log went into the database. Later
    /// calls fail.
    pub async fn close(&self) {
        self.0.ladders.flush(LAST_LADDERS).await;
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// A transaction that may write from its first statement on, so that it cannot fail half-way for want of the lock.
    pub(crate) async fn begin(&self) -> Result<Writing, StoreError> {
        // Guarded before it begins: whoever waits here may be dropped.
        let mut writing = Writing(Some(self.0.writer.acquire().await?));
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *writing).await?;
        Ok(writing)
    }
}

/// A transaction. If it is not committed its connection is closed, which rolls it back for certain.
///
/// Not sqlx's own: SQLite ends a transaction by itself when the disk is full, sqlx does not notice, and its connection
/// is of no use from then on.
pub(crate) struct Writing(Option<PoolConnection<Sqlite>>);

impl Writing {
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        // Back to the pool.
        drop(self.0.take());
        Ok(())
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.0.as_ref().expect("only commit takes it, and consumes self")
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.0.as_mut().expect("only commit takes it, and consumes self")
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

/// The migrations, embedded; `migrate!` would want sqlx's macros.
fn migrations() -> Vec<Migration> {
    let files = [
        (1, "first", include_str!("../migrations/0001_first.sql")),
        (2, "fewer pages per call", include_str!("../migrations/0002_fewer_pages_per_call.sql")),
        (3, "rights of extensions", include_str!("../migrations/0003_rights_of_extensions.sql")),
        (20, "networks of extensions", include_str!("../migrations/0020_extension_networks.sql")),
        (40, "listening and auto-answer", include_str!("../migrations/0040_listening_and_auto_answer.sql")),
        (41, "sound of extensions", include_str!("../migrations/0041_sound_of_extensions.sql")),
        (50, "contacts and watchers", include_str!("../migrations/0050_contacts_and_watchers.sql")),
        (60, "keys in sound", include_str!("../migrations/0060_keys_in_sound.sql")),
        (70, "media of extensions", include_str!("../migrations/0070_media_of_extensions.sql")),
        (80, "webhooks", include_str!("../migrations/0080_webhooks.sql")),
        (81, "audit", include_str!("../migrations/0081_audit.sql")),
        (90, "queues and agents", include_str!("../migrations/0090_queues_and_agents.sql")),
        (100, "forwards of extensions", include_str!("../migrations/0100_forwards_of_extensions.sql")),
        (101, "ring groups", include_str!("../migrations/0101_ring_groups.sql")),
        (102, "voicemail", include_str!("../migrations/0102_voicemail.sql")),
    ];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    files.into_iter().map(migration).collect()
}

async fn setting(pool: &SqlitePool, key: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT value FROM settings WHERE key = ?1").bind(key).fetch_optional(pool).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// A setting that is made the first time and never changes.
async fn kept_once(
    pool: &SqlitePool,
    key: &str,
    make: impl FnOnce() -> Result<String, StoreError>,
) -> Result<String, StoreError> {
    if let Some(value) = setting(pool, key).await? {
        return Ok(value);
    }
    let value = make()?;
    // If another process was faster, its value counts for both.
    let sql = "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING";
    sqlx::query(sql).bind(key).bind(&value).execute(pool).await?;
    Ok(setting(pool, key).await?.unwrap_or(value))
}

/// Makes the folder, for its owner only, if it is missing.
fn make_folder(dir: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| StoreError::File { what: "making", path: dir.to_path_buf(), source })
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    let digit = |d: u8| char::from(d).to_digit(16).map(|d| d as u8);
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_there_and_back() {
        assert_eq!(hex(&[0, 0x1f, 0xa0, 0xff]), "001fa0ff");
        assert_eq!(unhex("001fA0ff"), Some(vec![0, 0x1f, 0xa0, 0xff]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("0g"), None);
    }

    #[tokio::test]
    async fn a_new_store_has_its_own_identity_and_keeps_it() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Store::open(Config { realm: "one".into(), ..Config::new(a.path()) }).await.unwrap();
        let (id, key) = (first.instance_id().to_owned(), *first.jwt_key());
        first.set_setting("x", "1").await.unwrap();
        first.set_setting("x", "2").await.unwrap();
        first.close().await;

        let again = Store::open(Config { realm: "two".into(), ..Config::new(a.path()) }).await.unwrap();
        assert_eq!((again.realm(), again.instance_id(), again.jwt_key()), ("one", id.as_str(), &key));
        assert_eq!(again.setting("x").await.unwrap().as_deref(), Some("2"));
        assert_eq!(again.setting("y").await.unwrap(), None);
        let (event, later) = (again.first_event().await.unwrap(), again.first_event().await.unwrap());
        assert!(event > 0 && later == 2 * event, "numbers of events of two runs do not meet: {event} {later}");
        again.ping().await.unwrap();

        let other = Store::open(Config::new(b.path())).await.unwrap();
        assert_ne!(other.instance_id(), id);
        assert_ne!(other.jwt_key(), &key);
        let raw = other.setting("jwt_key").await.unwrap().unwrap();
        assert!(!raw.contains(&hex(other.jwt_key())), "the signing key is not in the database in clear");
    }

    #[tokio::test]
    async fn a_store_whose_key_file_was_lost_says_so() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(Config::new(dir.path())).await.unwrap().close().await;
        fs::remove_file(dir.path().join("secret.key")).unwrap();
        assert!(matches!(Store::open(Config::new(dir.path())).await, Err(StoreError::Damaged("signing key"))));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"").unwrap();
        let error = Store::open(Config::new(dir.path().join("file/data"))).await.err().unwrap();
        assert!(error.to_string().contains("file/data"), "{error}");
    }

    #[tokio::test]
    async fn a_database_of_the_first_version_keeps_its_calls_and_who_had_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(dir.path().join("patchbay.db")).create_if_missing(true);
        let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        Migrator::with_migrations(migrations().into_iter().take(1).collect()).run(&old).await.unwrap();
        let sql = "INSERT INTO calls VALUES (x'0102', 5, '100', '101', 'answered', 'internal', '{}');
            INSERT INTO call_parties VALUES ('100', 5, x'0102'), ('101', 5, x'0102');
            INSERT INTO traces (call, entries) VALUES (x'0102', x'5b5d')";
        sqlx::raw_sql(sql).execute(&old).await.unwrap();
        old.close().await;

        let store = Store::open(Config::new(dir.path())).await.unwrap();
        let sql = "SELECT count(*) FROM calls WHERE id IN (SELECT call FROM call_parties WHERE number = '101')";
        let found: i64 = sqlx::query(sql).fetch_one(&store.0.readers).await.unwrap().get(0);
        assert_eq!(found, 1);
        let sql = "SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema WHERE name LIKE 'call%' OR name LIKE 'tra%'";
        let names: String = sqlx::query(sql).fetch_one(&store.0.readers).await.unwrap().get(0);
        assert_eq!(names, "call_parties calls calls_by_start");
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path())).await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET version = version + 999").execute(&store.0.writer).await.unwrap();
        store.close().await;
        assert!(matches!(Store::open(Config::new(dir.path())).await, Err(StoreError::Migrate(_))));
    }
}
