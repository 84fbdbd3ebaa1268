-- Whether keys are listened for in the sound of an extension's phones: auto, always, never.
ALTER TABLE extensions ADD COLUMN inband_dtmf TEXT NOT NULL DEFAULT 'auto';
