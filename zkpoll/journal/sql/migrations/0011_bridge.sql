-- The third door: databases of vendor software, their rows, and which punch each row is.

ALTER TABLE punch ADD COLUMN manual INTEGER NOT NULL DEFAULT 0;
-- Those that a row has shown, by their second: when badges are changed in place, all seconds are known ones.
CREATE INDEX punch_bridged ON punch (device, substr(timestamp, 1, 19)) WHERE kinds >= 64;

CREATE TABLE database (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL,
    name       TEXT UNIQUE,
    address    TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    met_at     TEXT NOT NULL,
    read_at    TEXT,
    whole_at   TEXT,
    rows       INTEGER,
    lookups    BLOB,
    asked      BLOB,
    numbering  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE database_bucket (
    database     INTEGER NOT NULL REFERENCES database (id),
    bucket       INTEGER NOT NULL,
    fingerprint  BLOB NOT NULL,
    PRIMARY KEY (database, bucket)
) WITHOUT ROWID;

CREATE TABLE database_row (
    database     INTEGER NOT NULL REFERENCES database (id),
    key          TEXT NOT NULL,
    bucket       INTEGER,
    punch        INTEGER REFERENCES punch (seq),
    content      BLOB NOT NULL,
    raw          TEXT,
    reason       TEXT,
    detail       TEXT,
    seen_at      TEXT NOT NULL,
    changed_at   TEXT,
    gone_at      TEXT,
    accepted_at  TEXT,
    numbering    INTEGER NOT NULL,
    PRIMARY KEY (database, key)
) WITHOUT ROWID;
CREATE INDEX database_row_bucket ON database_row (database, bucket);
CREATE INDEX database_row_punch ON database_row (punch);
CREATE INDEX database_row_aside ON database_row (database, key) WHERE reason IS NOT NULL;
CREATE INDEX database_row_changed ON database_row (database, key) WHERE changed_at IS NOT NULL;
CREATE INDEX database_row_gone ON database_row (database, key) WHERE gone_at IS NOT NULL;
CREATE INDEX database_row_nowhere ON database_row (database, key) WHERE bucket IS NULL AND gone_at IS NULL;

CREATE TABLE database_person (
    database  INTEGER NOT NULL REFERENCES database (id),
    number    TEXT NOT NULL,
    badge     TEXT NOT NULL,
    since     TEXT NOT NULL,
    current   INTEGER NOT NULL,
    PRIMARY KEY (database, number, badge)
) WITHOUT ROWID;
