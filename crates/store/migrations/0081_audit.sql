-- Who changed what, or wanted to and was not allowed.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    -- The user's number and name as they were then.
    user INTEGER NOT NULL,
    username TEXT NOT NULL,
    peer TEXT NOT NULL,
    -- Method and path.
    operation TEXT NOT NULL,
    object TEXT NOT NULL,
    object_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    -- JSON without secrets, each NULL where there is none.
    asked TEXT,
    before TEXT,
    after TEXT
) STRICT;
CREATE INDEX audit_by_object ON audit (object, object_id, id);
