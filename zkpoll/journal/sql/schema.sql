-- The journal as it is now: the sum of migrations/. Times are UTC, ISO 8601, unless a column says otherwise.

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
    drift      REAL,                  -- seconds by which its clock was ahead
    cleared_at       TEXT,            -- when its log was last cleared by us
    clear_ignored    TEXT,            -- when it acknowledged CLEAR and kept its log
    disable_ignored  TEXT,            -- how it showed that it takes punches while it is disabled
    complete_until   TEXT,            -- what it stamped with an earlier time is in the journal
    last_name        TEXT,            -- its name in the inventory before another terminal took its place
    cleared_after        INTEGER,     -- the last punch journalled before DISABLE of that clearing
    cleared_quarantined  INTEGER      -- how many records of it were in quarantine then
);

-- Devices that may be disabled: written before DISABLE, gone once ENABLE is answered.
CREATE TABLE intent (
    device  INTEGER PRIMARY KEY REFERENCES device (id),
    since   TEXT NOT NULL
);

-- Serial numbers that a repair gave to a device we know.
CREATE TABLE alias (
    serial  TEXT PRIMARY KEY,
    device  INTEGER NOT NULL REFERENCES device (id)
) WITHOUT ROWID;

CREATE TABLE punch (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of journalling
    id             TEXT NOT NULL,     -- the punch's one identity (UUID)
    device         INTEGER NOT NULL REFERENCES device (id),
    device_name    TEXT NOT NULL,     -- its name when the punch was journalled
    user_id        TEXT NOT NULL,
    timestamp      TEXT NOT NULL,     -- the device's wall clock, with the offset fixed when journalled
    verify         INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    work_code      INTEGER NOT NULL,
    clock_suspect  INTEGER NOT NULL,  -- 1: the clock it was stamped by cannot have been right
    source         TEXT NOT NULL,     -- the door it came in by
    journalled_at  TEXT NOT NULL,
    hold           TEXT,              -- why it is not sent unless a person asks: 'since', 'repeat',
                                      -- 'same second', 'exact repeat'
    kinds          INTEGER NOT NULL DEFAULT 0,  -- which kinds of bytes showed it, as a sum: 1, 2, 4, 8, 16
                                                -- for records of 8, 16, 22, 40, 49 bytes, 32 for push
    nth            INTEGER NOT NULL DEFAULT 1,  -- which punch of its user and second it is
    first_id       TEXT               -- of a further one (nth > 1) the id of the first
);
CREATE UNIQUE INDEX punch_identity ON punch (id);
CREATE INDEX punch_first_id ON punch (first_id) WHERE first_id IS NOT NULL;

-- How punches were shown: bytes that are known of a device, with what means nothing zeroed, and the punch that
-- each showing of them was. No index by punch: it would repeat the bytes.
CREATE TABLE form (
    device      INTEGER NOT NULL REFERENCES device (id),
    bytes       BLOB NOT NULL,
    occurrence  INTEGER NOT NULL,  -- from 1: equal bytes may be shown for another punch
    punch       INTEGER NOT NULL REFERENCES punch (seq),
    PRIMARY KEY (device, bytes, occurrence)
) WITHOUT ROWID;

-- How much of a device's log is in punch and quarantine, with the proof.
CREATE TABLE watermark (
    device   INTEGER PRIMARY KEY REFERENCES device (id),
    layout   INTEGER NOT NULL,  -- bytes of a record
    records  INTEGER NOT NULL,  -- how many of the log's records are kept
    tail     BLOB NOT NULL,     -- the canonical bytes of the last of them, one after the other
    fold     INTEGER NOT NULL,  -- 1: the last of them lies in the second pass of a repeated hour
    read_at  TEXT NOT NULL,
    all_read      INTEGER NOT NULL DEFAULT 0,  -- 1: all of the log was read to there, or it was seen empty;
                                               -- what stands behind is new
    clear_sent    INTEGER NOT NULL DEFAULT 0,  -- 1: the log was told to clear itself, and nobody saw whether
                                               -- it did
    whole_before  INTEGER,  -- of a reading from the first record on that is not at the log's end yet: how many
                            -- records were known when it began; NULL where there is none
    whole_seen    INTEGER   -- and how many of its records until now were known before they were read
);

-- Bytes from a device that are not a believable record.
CREATE TABLE quarantine (
    device          INTEGER NOT NULL REFERENCES device (id),
    raw             BLOB NOT NULL,
    reason          TEXT NOT NULL,
    quarantined_at  TEXT NOT NULL,
    accepted_at     TEXT,  -- by a person; until then it keeps its device's log from being cleared
    PRIMARY KEY (device, raw)
) WITHOUT ROWID;

CREATE TABLE destination (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,  -- the dashboard's name in the inventory
    after  INTEGER NOT NULL,      -- it gets the punches journalled after this one
    halted TEXT,                  -- what it said when it was gone for good (410); nothing is sent there
    given_up_at TEXT              -- when a person gave it up, gone from the inventory; it gets nothing then
);

-- Every punch, for every destination, in exactly one state.
CREATE TABLE outbox (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    punch        INTEGER NOT NULL REFERENCES punch (seq),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'parked', 'held', 'discarded')),
    reason       TEXT,
    changed_at   TEXT NOT NULL,
    tried_at     TEXT,  -- parked: when it was last refused; NULL when it is to be tried at once, or was
                        -- parked by us without asking
    PRIMARY KEY (destination, punch)
) WITHOUT ROWID;
-- With state in it, though constant there: else the planner walks the primary key, past all that is confirmed.
CREATE INDEX outbox_pending ON outbox (destination, state, punch) WHERE state = 'pending';
CREATE INDEX outbox_parked ON outbox (destination, state, punch, tried_at) WHERE state = 'parked';
CREATE INDEX outbox_held ON outbox (destination, state, punch) WHERE state = 'held';

-- A request that a destination was sent: written down before it goes out, gone once it is answered.
CREATE TABLE request (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, so that an answer settles its own alone
    destination  INTEGER NOT NULL REFERENCES destination (id),
    began_at     TEXT,              -- NULL where an older zkpoll sent it
    punches      INTEGER NOT NULL,  -- how many it carried
    method       TEXT,              -- NULL, as are key and body, where it is not sent again byte for byte
    key          TEXT,              -- its Idempotency-Key
    body         BLOB
);

-- The punches of such a request that nothing has answered for.
CREATE TABLE carried (
    request  INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
    punch    INTEGER NOT NULL REFERENCES punch (seq),
    PRIMARY KEY (request, punch)
) WITHOUT ROWID;

-- The last punch of a person in a state that was not held as a repeat, at devices with repeat_within.
CREATE TABLE last_kept (
    device     INTEGER NOT NULL REFERENCES device (id),
    user_id    TEXT NOT NULL,
    state      INTEGER NOT NULL,
    timestamp  TEXT NOT NULL,  -- as in punch
    PRIMARY KEY (device, user_id, state)
) WITHOUT ROWID;

-- What a person was last told, so that a condition that lasts is not told at every run.
CREATE TABLE condition (
    subject  TEXT PRIMARY KEY,  -- 'device front-door', 'dashboard main'
    kind     TEXT NOT NULL,     -- it has changed when this has
    since    TEXT NOT NULL,
    told_at  TEXT NOT NULL
);

-- What a run is to tell once, and did not yet; gone once it is told.
CREATE TABLE untold (
    subject   TEXT NOT NULL,  -- 'journal', 'device front-door'
    text      TEXT NOT NULL,
    found_at  TEXT NOT NULL,
    PRIMARY KEY (subject, text)
) WITHOUT ROWID;

-- What users each device had when they were last exported. By device key, not by device: users may be exported
-- of a terminal whose log was never read.
CREATE TABLE user_export (
    key          TEXT PRIMARY KEY,
    exported_at  TEXT NOT NULL
) WITHOUT ROWID;

-- Never a PIN: whether there is one is all that is known.
CREATE TABLE exported_user (
    key           TEXT NOT NULL REFERENCES user_export (key),
    place         INTEGER NOT NULL,  -- in the export; slots may be shared on some firmware
    slot          INTEGER NOT NULL,
    user_id       TEXT NOT NULL,
    name          BLOB NOT NULL,     -- as the device has it: its encoding is a setting, which may be put right
    privilege     INTEGER NOT NULL,
    card          INTEGER NOT NULL,
    user_group    INTEGER NOT NULL,
    has_password  INTEGER NOT NULL,
    PRIMARY KEY (key, place)
) WITHOUT ROWID;

-- What is known of a device that pushes, beside its punches. Written once a minute.
CREATE TABLE push_device (
    device         INTEGER PRIMARY KEY REFERENCES device (id),
    first_call_at  TEXT NOT NULL,
    last_call_at   TEXT NOT NULL,
    address        TEXT NOT NULL,     -- the IP address of its last call
    dialect        TEXT,              -- 'attendance' (2.x) or 'access' (3.x)
    zone_told      TEXT,              -- the TimeZone that it was told last
    registry_code  TEXT,              -- what it registers with, in the access dialect
    model          TEXT,              -- what it told of itself: from here on to records
    firmware       TEXT,
    platform       TEXT,
    push_version   TEXT,
    users          INTEGER,
    records        INTEGER,           -- punches in its log
    told_at        TEXT,              -- when it told any of that last
    replays        INTEGER NOT NULL,  -- bodies that were equal to the last committed one of their table
    door_events    INTEGER NOT NULL,  -- lines that are events of a door, and no punches
    gap_since      TEXT,              -- since when it tells more punches than the journal holds of it
    gap_asked_at   TEXT,              -- when it was asked for all of them
    gap_told       INTEGER            -- how many of them did not come then; a person was told
);

-- The last committed batch of each table that a device pushes.
CREATE TABLE push_table (
    device        INTEGER NOT NULL REFERENCES device (id),
    name          TEXT NOT NULL,  -- ATTLOG, RTLOG ...
    stamp         TEXT,           -- as the device sent it; handed back, and never believed
    digest        BLOB,           -- SHA-256 of its body; NULL where nothing of that table is kept
    last_time     TEXT,           -- of its last punch, by the device's wall clock, without offset
    last_fold     INTEGER,        -- 1: in the second pass of a repeated hour
    skews         TEXT,           -- seconds from punch to receipt of the last ones that came at once, oldest first
    committed_at  TEXT,
    turn          INTEGER NOT NULL,  -- of its batches, the larger, the later; no clock tells which was the last
    PRIMARY KEY (device, name)
) WITHOUT ROWID;

-- The line of a punch that was pushed, as far as it is not in punch: its columns come and go with firmware.
CREATE TABLE push_line (
    punch  INTEGER PRIMARY KEY REFERENCES punch (seq),
    rest   BLOB NOT NULL
);

-- Commands that wait for their device to fetch or answer them, and the last five that are settled.
CREATE TABLE push_command (
    place        INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of queueing
    device       INTEGER NOT NULL REFERENCES device (id),
    id           TEXT NOT NULL,
    text         TEXT NOT NULL,
    kind         TEXT NOT NULL,                      -- why it was queued
    queued_at    TEXT NOT NULL,
    offered_at   TEXT,                               -- when it was last handed out
    offers       INTEGER NOT NULL DEFAULT 0,
    settled_at   TEXT,                               -- answered, or dropped
    return_code  INTEGER,                            -- the device's answer; NULL where it was dropped
    UNIQUE (device, id)
);

-- Callers that may not push, and under '' all those without a well-formed serial number.
CREATE TABLE refused_caller (
    serial        TEXT PRIMARY KEY,
    reason        TEXT NOT NULL,     -- why it was refused last
    first_at      TEXT NOT NULL,
    last_at       TEXT NOT NULL,
    requests      INTEGER NOT NULL,
    address       TEXT NOT NULL,     -- as the rest, of its last call
    push_version  TEXT,
    device_type   TEXT,
    path          TEXT NOT NULL,
    turn          INTEGER NOT NULL   -- the larger, the later it was noted; no clock tells who goes first
) WITHOUT ROWID;
