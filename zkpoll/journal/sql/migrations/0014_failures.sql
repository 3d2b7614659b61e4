-- Runs that end again and again at the same punches.

ALTER TABLE destination ADD COLUMN failed_runs INTEGER NOT NULL DEFAULT 0;

-- How many punches waited for a destination: a point an hour, of the last days.
CREATE TABLE backlog (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    at           TEXT NOT NULL,
    pending      INTEGER NOT NULL,
    PRIMARY KEY (destination, at)
) WITHOUT ROWID;
