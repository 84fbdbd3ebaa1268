-- Where calls to an extension go instead (JSON, by reason), whether it takes any, and whether a second one rings.
ALTER TABLE extensions ADD COLUMN forward TEXT NOT NULL DEFAULT '{}';
ALTER TABLE extensions ADD COLUMN do_not_disturb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extensions ADD COLUMN call_waiting INTEGER NOT NULL DEFAULT 1;
