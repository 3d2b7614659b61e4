-- The second door: devices that push.

-- What is known of a device that pushes, beside its punches.
CREATE TABLE push_device (
    device         INTEGER PRIMARY KEY REFERENCES device (id),
    first_call_at  TEXT NOT NULL,
    last_call_at   TEXT NOT NULL,
    address        TEXT NOT NULL,
    dialect        TEXT,
    zone_told      TEXT,
    registry_code  TEXT,
    model          TEXT,
    firmware       TEXT,
    platform       TEXT,
    push_version   TEXT,
    users          INTEGER,
    records        INTEGER,
    told_at        TEXT,
    replays        INTEGER NOT NULL,
    door_events    INTEGER NOT NULL,
    gap_since      TEXT,
    gap_asked_at   TEXT,
    gap_told       INTEGER
);

-- The last committed batch of each table that a device pushes.
CREATE TABLE push_table (
    device        INTEGER NOT NULL REFERENCES device (id),
    name          TEXT NOT NULL,
    stamp         TEXT,
    digest        BLOB,
    last_time     TEXT,
    last_fold     INTEGER,
    skews         TEXT,
    committed_at  TEXT,
    turn          INTEGER NOT NULL,
    PRIMARY KEY (device, name)
) WITHOUT ROWID;

-- What followed on the line of a punch that was pushed.
CREATE TABLE push_line (
    punch  INTEGER PRIMARY KEY REFERENCES punch (seq),
    rest   BLOB NOT NULL
);

-- Commands that wait for their device to fetch or answer them, and the last ones that are settled.
CREATE TABLE push_command (
    place        INTEGER PRIMARY KEY AUTOINCREMENT,
    device       INTEGER NOT NULL REFERENCES device (id),
    id           TEXT NOT NULL,
    text         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    queued_at    TEXT NOT NULL,
    offered_at   TEXT,
    offers       INTEGER NOT NULL DEFAULT 0,
    settled_at   TEXT,
    return_code  INTEGER,
    UNIQUE (device, id)
);

-- Callers that may not push.
CREATE TABLE refused_caller (
    serial        TEXT PRIMARY KEY,
    reason        TEXT NOT NULL,
    first_at      TEXT NOT NULL,
    last_at       TEXT NOT NULL,
    requests      INTEGER NOT NULL,
    address       TEXT NOT NULL,
    push_version  TEXT,
    device_type   TEXT,
    path          TEXT NOT NULL,
    turn          INTEGER NOT NULL
) WITHOUT ROWID;
