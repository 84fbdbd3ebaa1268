-- From which networks an extension may register and call: separated by blanks; empty: from everywhere.
ALTER TABLE extensions ADD COLUMN allow TEXT NOT NULL DEFAULT '';
