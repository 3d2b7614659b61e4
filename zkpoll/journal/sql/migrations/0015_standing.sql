-- How things stand, in the words that a person was told, and without walking all punches.

ALTER TABLE condition ADD COLUMN text TEXT;
ALTER TABLE condition ADD COLUMN advice INTEGER NOT NULL DEFAULT 0;
ALTER TABLE condition ADD COLUMN owed TEXT CHECK (owed IN ('begun', 'changed', 'ended'));
UPDATE condition SET advice = 1 WHERE subject LIKE 'way to dashboard %' OR subject LIKE 'push dialect of %';

ALTER TABLE destination ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN confirmed_at TEXT;
UPDATE destination
SET confirmed = (SELECT count(*) FROM outbox
                 WHERE outbox.destination = destination.id AND outbox.state = 'confirmed'),
    confirmed_at = (SELECT max(changed_at) FROM outbox
                    WHERE outbox.destination = destination.id AND outbox.state = 'confirmed');

-- When a run ended last.
CREATE TABLE last_run (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    ended_at  TEXT NOT NULL
);
INSERT INTO last_run (one, ended_at) SELECT 1, max(read_at) FROM device HAVING max(read_at) IS NOT NULL;
