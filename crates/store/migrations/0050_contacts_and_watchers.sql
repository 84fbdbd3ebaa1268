-- How many contacts an extension may have (0: as for all), and who may watch it.
ALTER TABLE extensions ADD COLUMN contacts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extensions ADD COLUMN watched_by TEXT NOT NULL DEFAULT 'default';
