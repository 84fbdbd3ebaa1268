//! Mailboxes and their messages. The sound is in files below the recordings' folder; here stands what there is.

use crate::{Store, StoreError};
use model::{MAX_MAILBOXES, Mailbox, Voicemail};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

impl Store {
    /// All mailboxes, by name.
    pub async fn mailboxes(&self) -> Result<Vec<Mailbox>, StoreError> {
        let rows = sqlx::query("SELECT settings FROM mailboxes ORDER BY name").fetch_all(&self.0.readers).await?;
        rows.iter().map(settings_of).collect()
    }

    /// One mailbox.
    pub async fn mailbox(&self, name: &str) -> Result<Option<Mailbox>, StoreError> {
        let sql = "SELECT settings FROM mailboxes WHERE name = ?1";
        let row = sqlx::query(sql).bind(name).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(settings_of).transpose()
    }

    /// Adds or changes a mailbox; false if there are too many.
    pub async fn put_mailbox(&self, mailbox: &Mailbox) -> Result<bool, StoreError> {
        let sql = "INSERT INTO mailboxes (name, settings) SELECT ?1, ?2 \
            WHERE (SELECT count(*) FROM mailboxes WHERE name <> ?1) < ?3 \
            ON CONFLICT (name) DO UPDATE SET settings = ?2";
        self.put(sql, (&mailbox.name, mailbox), MAX_MAILBOXES).await
    }

    /// Removes a mailbox and its messages; false if there was none. Their files are left to whoever removes it.
    pub async fn remove_mailbox(&self, name: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM voicemails WHERE mailbox = ?1").bind(name).execute(&mut *transaction).await?;
        let done = sqlx::query("DELETE FROM mailboxes WHERE name = ?1").bind(name).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps a message. One that is there already, by its file, stays as it is.
    pub async fn keep_voicemail(&self, message: &Voicemail) -> Result<(), StoreError> {
        let sql = "INSERT INTO voicemails (mailbox, path, call, sender, at, length_ms, heard) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (path) DO NOTHING";
        sqlx::query(sql)
            .bind(&message.mailbox)
            .bind(&message.path)
            .bind(message.call.to_string())
            .bind(&message.from)
            .bind(message.at.cast_signed())
            .bind(message.length_ms.cast_signed())
            .bind(message.heard)
            .execute(&self.0.writer)
            .await?;
        Ok(())
    }

    /// The messages of a mailbox: those that nobody has heard first, each kind in the order in which they came.
    pub async fn voicemails(&self, mailbox: &str) -> Result<Vec<Voicemail>, StoreError> {
        let sql = "SELECT * FROM voicemails WHERE mailbox = ?1 ORDER BY heard, at, id";
        let rows = sqlx::query(sql).bind(mailbox).fetch_all(&self.0.readers).await?;
        rows.iter().map(voicemail_of).collect()
    }

    /// One message.
    pub async fn voicemail(&self, mailbox: &str, id: i64) -> Result<Option<Voicemail>, StoreError> {
        let sql = "SELECT * FROM voicemails WHERE mailbox = ?1 AND id = ?2";
        let row = sqlx::query(sql).bind(mailbox).bind(id).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(voicemail_of).transpose()
    }

    /// Somebody has heard a message, or it counts as new again; false if there is none.
    pub async fn mark_voicemail(&self, mailbox: &str, id: i64, heard: bool) -> Result<bool, StoreError> {
        let sql = "UPDATE voicemails SET heard = ?3 WHERE mailbox = ?1 AND id = ?2";
        let done = sqlx::query(sql).bind(mailbox).bind(id).bind(heard).execute(&self.0.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes a message; false if there is none. Its file is left to whoever removes it.
    pub async fn remove_voicemail(&self, mailbox: &str, id: i64) -> Result<bool, StoreError> {
        let sql = "DELETE FROM voicemails WHERE mailbox = ?1 AND id = ?2";
        let done = sqlx::query(sql).bind(mailbox).bind(id).execute(&self.0.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// How many messages wait for an extension in all mailboxes that belong to it: new and heard.
    pub async fn voicemail_counts(&self, extension: &str) -> Result<(u32, u32), StoreError> {
        let (mut new, mut old) = (0, 0);
        for mailbox in self.mailboxes().await?.into_iter().filter(|mailbox| mailbox.is_of(extension)) {
            let sql = "SELECT count(*) FILTER (WHERE NOT heard), count(*) FILTER (WHERE heard) FROM voicemails WHERE mailbox = ?1";
            let row = sqlx::query(sql).bind(&mailbox.name).fetch_one(&self.0.readers).await?;
            let count = |at: usize| row.try_get::<i64, _>(at).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            (new, old) = (new + count(0)?, old + count(1)?);
        }
        Ok((new, old))
    }
}

fn settings_of(row: &SqliteRow) -> Result<Mailbox, StoreError> {
    let text: &str = row.try_get(0)?;
    serde_json::from_str(text).map_err(|_| StoreError::Damaged("settings of a mailbox"))
}

fn voicemail_of(row: &SqliteRow) -> Result<Voicemail, StoreError> {
    let call: &str = row.try_get("call")?;
    Ok(Voicemail {
        id: row.try_get("id")?,
        mailbox: row.try_get("mailbox")?,
        call: call.parse().map_err(|_| StoreError::Damaged("call of a message"))?,
        from: row.try_get("sender")?,
        at: row.try_get::<i64, _>("at")?.cast_unsigned(),
        length_ms: row.try_get::<i64, _>("length_ms")?.cast_unsigned(),
        path: row.try_get("path")?,
        heard: row.try_get("heard")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use model::CallId;

    #[tokio::test]
    async fn messages_are_kept_once_heard_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path())).await.unwrap();
        let mailbox = Mailbox { name: "101".into(), extensions: vec!["101".into()], ..Mailbox::default() };
        assert!(store.put_mailbox(&mailbox).await.unwrap());
        let message = |n: u8| Voicemail {
            id: 0,
            mailbox: "101".into(),
            call: CallId::from_bytes([n; 16]),
            from: "100".into(),
            at: n.into(),
            length_ms: 3_000,
            path: format!("voicemail/101/{n}.wav"),
            heard: false,
        };
        for n in [1, 2, 1] {
            store.keep_voicemail(&message(n)).await.unwrap();
        }
        let all = store.voicemails("101").await.unwrap();
        assert_eq!(all.iter().map(|m| &m.path[..]).collect::<Vec<_>>(), ["voicemail/101/1.wav", "voicemail/101/2.wav"]);
        assert_eq!(all[0], Voicemail { id: all[0].id, ..message(1) });
        assert!(store.mark_voicemail("101", all[0].id, true).await.unwrap());
        assert!(!store.mark_voicemail("102", all[0].id, true).await.unwrap());
        assert_eq!(store.voicemail_counts("101").await.unwrap(), (1, 1));
        assert_eq!(store.voicemail_counts("102").await.unwrap(), (0, 0));
        // What was heard comes after what is new.
        assert_eq!(store.voicemails("101").await.unwrap()[0].id, all[1].id);
        assert!(store.remove_voicemail("101", all[0].id).await.unwrap());
        assert_eq!(store.voicemail("101", all[0].id).await.unwrap(), None);
        store.close().await;

        let store = Store::open(Config::new(dir.path())).await.unwrap();
        assert_eq!(store.mailbox("101").await.unwrap(), Some(mailbox));
        assert_eq!(store.voicemails("101").await.unwrap().len(), 1);
        assert!(store.remove_mailbox("101").await.unwrap() && !store.remove_mailbox("101").await.unwrap());
        assert_eq!(store.voicemails("101").await.unwrap(), []);
    }
}
