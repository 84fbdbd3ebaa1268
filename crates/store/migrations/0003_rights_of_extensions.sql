-- How far an extension may call (NULL: as the configuration says for all), and its number beyond the trunks.
ALTER TABLE extensions ADD COLUMN rights TEXT;
ALTER TABLE extensions ADD COLUMN outside_number TEXT NOT NULL DEFAULT '';
