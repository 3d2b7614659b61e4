-- How what waits for dashboards, and what they have confirmed, goes on through the day.

CREATE TABLE course (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    at           TEXT NOT NULL,
    pending      INTEGER NOT NULL,
    confirmed    INTEGER NOT NULL,
    PRIMARY KEY (destination, at)
) WITHOUT ROWID;

ALTER TABLE destination ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
