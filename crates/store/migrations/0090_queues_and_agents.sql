-- Queues and agents, their settings as JSON: they are read whole and never searched by a part.
CREATE TABLE queues (
    name TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
    name TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;
