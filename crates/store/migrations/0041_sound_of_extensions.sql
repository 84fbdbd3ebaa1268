-- Whether an extension's sound is encrypted (none: as the configuration says for all phones), and the codecs it may speak:
-- separated by blanks, best first; empty: all.
ALTER TABLE extensions ADD COLUMN srtp TEXT;
ALTER TABLE extensions ADD COLUMN codecs TEXT NOT NULL DEFAULT '';
