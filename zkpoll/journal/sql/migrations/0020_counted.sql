-- Rows of a database and what a device shows are counted as they come, too; what few rows are is found by
-- indexes that have all of it.

ALTER TABLE database ADD COLUMN rows_there INTEGER NOT NULL DEFAULT 0;
UPDATE database
SET rows_there = (SELECT count(*) FROM database_row
                  WHERE database_row.database = database.id AND database_row.bucket IS NOT NULL);

DROP INDEX database_row_aside;
DROP INDEX database_row_changed;
DROP INDEX database_row_gone;
DROP INDEX database_row_nowhere;
CREATE INDEX database_row_aside ON database_row (database, gone_at, accepted_at, key, reason)
    WHERE reason IS NOT NULL;
CREATE INDEX database_row_changed ON database_row (database, gone_at, key, changed_at)
    WHERE changed_at IS NOT NULL;
CREATE INDEX database_row_gone ON database_row (database, reason, key, gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX database_row_nowhere ON database_row (database, bucket, gone_at, reason)
    WHERE bucket IS NULL AND gone_at IS NULL;

-- Whose punches it ever showed.
CREATE TABLE database_device (
    database  INTEGER NOT NULL REFERENCES database (id),
    device    INTEGER NOT NULL REFERENCES device (id),
    PRIMARY KEY (database, device)
) WITHOUT ROWID;
INSERT INTO database_device (database, device)
SELECT DISTINCT database_row.database, punch.device
FROM database_row JOIN punch ON punch.seq = database_row.punch;

ALTER TABLE device ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
UPDATE device
SET shown = (SELECT count(*) FROM (
    SELECT form.punch FROM form
    WHERE form.device = device.id AND substr(form.bytes, 1, 3) <> x'64620A'
    UNION
    SELECT forgotten_form.punch
    FROM forgotten_form JOIN forgotten_punch ON forgotten_punch.punch = forgotten_form.punch
    WHERE forgotten_form.device = device.id AND (forgotten_punch.kinds & 63) <> 0
) AS told);
