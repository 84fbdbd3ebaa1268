CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE extensions (
    number TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- MD5, SHA-256 and SHA-512/256 of user:realm:password, one after the other, sealed with secret.key.
    ha1 BLOB NOT NULL,
    enabled INTEGER NOT NULL,
    record INTEGER NOT NULL,
    ring_seconds INTEGER NOT NULL,
    max_calls INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    -- Never used twice: a token of a removed user must not become another's.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    nickname TEXT NOT NULL,
    role TEXT NOT NULL,
    extension TEXT REFERENCES extensions (number) ON DELETE SET NULL,
    enabled INTEGER NOT NULL,
    -- Argon2id of the MD5 of the password, in hex.
    password TEXT NOT NULL,
    password_set_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_extension ON users (extension);

CREATE TABLE calls (
    id BLOB PRIMARY KEY,
    started_at INTEGER NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    outcome TEXT NOT NULL,
    direction TEXT NOT NULL,
    -- The whole record as JSON; the columns above repeat what is searched by.
    record TEXT NOT NULL
) STRICT;
CREATE INDEX calls_by_start ON calls (started_at, id);
CREATE INDEX calls_by_caller ON calls (caller, started_at, id);
CREATE INDEX calls_by_callee ON calls (callee, started_at, id);

-- Every number that had a part in a call: caller, callee, each leg.
CREATE TABLE call_parties (
    number TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    call BLOB NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    PRIMARY KEY (number, started_at, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_parties_by_call ON call_parties (call);

CREATE TABLE traces (
    -- Grows with each trace: the oldest have the smallest.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    call BLOB NOT NULL UNIQUE,
    entries BLOB NOT NULL
) STRICT;
