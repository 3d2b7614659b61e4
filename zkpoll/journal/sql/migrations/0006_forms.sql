-- How punches were shown: equal bytes may be another punch, and each punch has an id of its own.

-- Bytes that are known of a device, and the punch that each showing of them was.
CREATE TABLE form (
    device      INTEGER NOT NULL REFERENCES device (id),
    bytes       BLOB NOT NULL,
    occurrence  INTEGER NOT NULL,
    punch       INTEGER NOT NULL REFERENCES punch (seq),
    PRIMARY KEY (device, bytes, occurrence)
) WITHOUT ROWID;
INSERT INTO form (device, bytes, occurrence, punch)
SELECT device, canonical, 1, seq FROM punch ORDER BY device, canonical;

-- Which kinds of bytes showed it, as a sum: 1, 2, 4, 8, 16 for records of 8, 16, 22, 40, 49 bytes.
ALTER TABLE punch ADD COLUMN kinds INTEGER NOT NULL DEFAULT 0;
UPDATE punch
SET kinds = CASE length(canonical) WHEN 8 THEN 1 WHEN 16 THEN 2 WHEN 22 THEN 4 WHEN 40 THEN 8 WHEN 49 THEN 16
            ELSE 0 END;

-- Which punch of its user and second it is, from 1; and of a further one, the id of the first.
ALTER TABLE punch ADD COLUMN nth INTEGER NOT NULL DEFAULT 1;
ALTER TABLE punch ADD COLUMN first_id TEXT;
UPDATE punch SET nth = numbered.nth, first_id = id, hold = 'same second'
FROM (SELECT seq, 1 + row_number() OVER (
          PARTITION BY device, user_id, substr(timestamp, 1, 19) ORDER BY seq) AS nth
      FROM punch WHERE same_second = 1) AS numbered
WHERE numbered.seq = punch.seq;

DROP INDEX punch_record;
DROP INDEX punch_identity;
DROP INDEX punch_same_second;
UPDATE punch
SET id = punch_id((SELECT key FROM device WHERE device.id = punch.device), user_id, substr(timestamp, 1, 19), nth)
WHERE nth > 1;
CREATE UNIQUE INDEX punch_identity ON punch (id);
CREATE INDEX punch_first_id ON punch (first_id) WHERE first_id IS NOT NULL;
ALTER TABLE punch DROP COLUMN same_second;
ALTER TABLE punch DROP COLUMN canonical;

-- 1: all of the log was read to there, or it was seen empty; what stands behind is new.
ALTER TABLE watermark ADD COLUMN all_read INTEGER NOT NULL DEFAULT 0;

-- 1: the log was told to clear itself, and nobody saw whether it did.
ALTER TABLE watermark ADD COLUMN clear_sent INTEGER NOT NULL DEFAULT 0;
