-- Mailboxes (settings as JSON, like those of queues) and the messages in them; the sound is in files.
CREATE TABLE mailboxes (
    name TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE voicemails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE,
    call TEXT NOT NULL,
    sender TEXT NOT NULL,
    at INTEGER NOT NULL,
    length_ms INTEGER NOT NULL,
    heard INTEGER NOT NULL
) STRICT;

CREATE INDEX voicemails_of_mailbox ON voicemails (mailbox, heard, at);
