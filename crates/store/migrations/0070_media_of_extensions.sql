-- By what kind of media an extension speaks: auto, rtp or webrtc.
ALTER TABLE extensions ADD COLUMN media TEXT NOT NULL DEFAULT 'auto';
