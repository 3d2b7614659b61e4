-- How what waits for dashboards, and what they have confirmed, goes on through the day; and how many punches each
-- day of the last weeks brought, counted once a day.

CREATE TABLE course (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    at           TEXT NOT NULL,
    pending      INTEGER NOT NULL,
    confirmed    INTEGER NOT NULL,
    PRIMARY KEY (destination, at)
) WITHOUT ROWID;

ALTER TABLE destination ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

CREATE TABLE punched (
    device  INTEGER NOT NULL REFERENCES device (id),
    day     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (device, day)
) WITHOUT ROWID;

CREATE TABLE punched_until (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    seq         INTEGER NOT NULL,
    counted_at  TEXT NOT NULL
);
