-- May it listen to others' calls, may its calls make phones answer by themselves, and by which headers its own are asked to.
ALTER TABLE extensions ADD COLUMN monitor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extensions ADD COLUMN intercom INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extensions ADD COLUMN auto_answer TEXT NOT NULL DEFAULT 'usual';
