-- Ring groups, their settings as JSON like those of queues.
CREATE TABLE ring_groups (
    name TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;
