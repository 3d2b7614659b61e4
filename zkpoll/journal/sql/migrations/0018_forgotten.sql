-- What was pruned is recognised when it is shown again; what a log must have overwritten may be pruned.

-- Hidden in a list of all columns, and written by nobody.
ALTER TABLE punch ADD COLUMN in_log INTEGER GENERATED ALWAYS AS (
    CASE WHEN kinds & 31 <> 0 AND coalesce(hold, '') NOT IN ('same second', 'exact repeat') THEN 1 ELSE 0 END
) VIRTUAL;
CREATE INDEX punch_of_device ON punch (device, in_log);

ALTER TABLE device ADD COLUMN largest_log INTEGER;
ALTER TABLE device ADD COLUMN pruned_at TEXT;
ALTER TABLE device ADD COLUMN forms_left INTEGER NOT NULL DEFAULT 0;
UPDATE device
SET largest_log = CASE WHEN on_device > capacity THEN on_device ELSE capacity END
WHERE capacity > 0;

CREATE TABLE forgotten_punch (
    id       BLOB PRIMARY KEY,
    punch    INTEGER NOT NULL,
    kinds    INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    bridged  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE forgotten_form (
    device      INTEGER NOT NULL REFERENCES device (id),
    digest      BLOB NOT NULL,
    occurrence  INTEGER NOT NULL,
    punch       INTEGER NOT NULL,
    PRIMARY KEY (device, digest, occurrence)
) WITHOUT ROWID;
