-- The journal's first form. Times are UTC, ISO 8601, unless a column says otherwise.

PRAGMA application_id = 0x7a6b706c;  -- "zkpl"

CREATE TABLE device (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,  -- the serial number, chosen at first contact
    name       TEXT UNIQUE,           -- its name in the inventory; NULL while it is nobody's, or no more
    seen_as    TEXT UNIQUE,           -- a stranger: the name at whose address it answers
    held       INTEGER NOT NULL DEFAULT 0,  -- 1: punches of it are held because it was a stranger
    met_at     TEXT NOT NULL,
    read_at    TEXT,                  -- when it was last read to its end
    whole_at   TEXT,                  -- when all of its log was last read
    on_device  INTEGER,               -- records in its log then
    capacity   INTEGER,               -- records its log can hold, where it tells
    drift      REAL                   -- seconds by which its clock was ahead
);

-- Serial numbers that a repair gave to a device we know.
CREATE TABLE alias (
    serial  TEXT PRIMARY KEY,
    device  INTEGER NOT NULL REFERENCES device (id)
) WITHOUT ROWID;

CREATE TABLE punch (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of journalling
    id             TEXT NOT NULL,     -- the punch's one identity (UUID)
    same_second    INTEGER NOT NULL,  -- 1: another punch, with other content, holds this id
    device         INTEGER NOT NULL REFERENCES device (id),
    device_name    TEXT NOT NULL,     -- its name when the punch was journalled
    user_id        TEXT NOT NULL,
    timestamp      TEXT NOT NULL,     -- the device's wall clock, with the offset fixed when journalled
    verify         INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    work_code      INTEGER NOT NULL,
    clock_suspect  INTEGER NOT NULL,  -- 1: the clock it was stamped by cannot have been right
    canonical      BLOB NOT NULL,     -- the record's bytes, with what means nothing zeroed
    source         TEXT NOT NULL,     -- the door it came in by
    journalled_at  TEXT NOT NULL
);
CREATE UNIQUE INDEX punch_record ON punch (device, canonical);
CREATE UNIQUE INDEX punch_identity ON punch (id) WHERE same_second = 0;
CREATE INDEX punch_same_second ON punch (id) WHERE same_second = 1;

-- How much of a device's log is in punch and quarantine, with the proof.
CREATE TABLE watermark (
    device   INTEGER PRIMARY KEY REFERENCES device (id),
    layout   INTEGER NOT NULL,  -- bytes of a record
    records  INTEGER NOT NULL,  -- how many of the log's records are kept
    tail     BLOB NOT NULL,     -- the canonical bytes of the last of them, one after the other
    fold     INTEGER NOT NULL,  -- 1: the last of them lies in the second pass of a repeated hour
    read_at  TEXT NOT NULL
);

-- Bytes from a device that are not a believable record.
CREATE TABLE quarantine (
    device          INTEGER NOT NULL REFERENCES device (id),
    raw             BLOB NOT NULL,
    reason          TEXT NOT NULL,
    quarantined_at  TEXT NOT NULL,
    PRIMARY KEY (device, raw)
) WITHOUT ROWID;

CREATE TABLE destination (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,  -- the dashboard's name in the inventory
    after  INTEGER NOT NULL       -- it gets the punches journalled after this one
);

-- Every punch, for every destination, in exactly one state.
CREATE TABLE outbox (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    punch        INTEGER NOT NULL REFERENCES punch (seq),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'parked', 'held', 'discarded')),
    reason       TEXT,
    changed_at   TEXT NOT NULL,
    PRIMARY KEY (destination, punch)
) WITHOUT ROWID;
-- With state in it, though constant there: else the planner walks the primary key, past all that is confirmed.
CREATE INDEX outbox_pending ON outbox (destination, state, punch) WHERE state = 'pending';

-- What a person was last told, so that a condition that lasts is not told at every run.
CREATE TABLE condition (
    subject  TEXT PRIMARY KEY,  -- 'device front-door', 'dashboard main'
    kind     TEXT NOT NULL,     -- it has changed when this has
    since    TEXT NOT NULL,
    told_at  TEXT NOT NULL
);
