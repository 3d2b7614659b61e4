-- What grows with history is counted as it comes, or found by an index, not walked.

-- Both sides of the journal's sum, for each dashboard.
ALTER TABLE destination ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;
UPDATE destination
SET due = (SELECT count(*) FROM punch
           WHERE destination.given_up_at IS NULL AND punch.seq > destination.after)
          + (SELECT count(*) FROM outbox
             WHERE outbox.destination = destination.id
               AND (outbox.punch <= destination.after OR destination.given_up_at IS NOT NULL)),
    confirmed = (SELECT count(*) FROM outbox
                 WHERE outbox.destination = destination.id AND outbox.state = 'confirmed'),
    discarded = (SELECT count(*) FROM outbox
                 WHERE outbox.destination = destination.id AND outbox.state = 'discarded');
-- An older zkpoll that runs on counts nothing: without this name it journals nothing until it is started again.
ALTER TABLE destination RENAME COLUMN given_up_at TO given_up_since;

-- A person's punches, and those of a day.
CREATE INDEX punch_person ON punch (user_id, substr(timestamp, 1, 10));

-- Names that devices had.
CREATE TABLE punched_name (
    name  TEXT PRIMARY KEY
) WITHOUT ROWID;
INSERT INTO punched_name (name) SELECT DISTINCT device_name FROM punch;
