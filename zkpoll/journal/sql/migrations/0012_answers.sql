-- What a dashboard told when it was asked about itself, before anything was sent to it.

ALTER TABLE destination ADD COLUMN answer TEXT;
ALTER TABLE destination ADD COLUMN answered_at TEXT;
ALTER TABLE destination ADD COLUMN answer_to BLOB;
