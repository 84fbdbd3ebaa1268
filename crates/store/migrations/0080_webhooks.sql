-- Who is told of events by HTTP.
CREATE TABLE webhooks (
    -- Never used twice: deliveries and signatures name it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    -- Names of events with a comma before and after each; empty: all.
    kinds TEXT NOT NULL,
    -- Sealed with secret.key.
    secret BLOB NOT NULL,
    active INTEGER NOT NULL
) STRICT;

-- What they have not taken yet.
CREATE TABLE deliveries (
    -- The delivery's name for its receiver, the same with each try.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- A call whose record is told; else `body` is.
    call BLOB,
    body TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    -- What came of the last try.
    last TEXT NOT NULL DEFAULT '',
    -- Given up.
    dead INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX deliveries_due ON deliveries (webhook, dead, due_at);
