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
    last_name        TEXT,            -- its name in the inventory before that, or before another took its place
    cleared_after        INTEGER,     -- the last punch journalled before DISABLE of that clearing
    cleared_quarantined  INTEGER,     -- how many records of it were in quarantine then
    per_day              REAL,        -- new punches a day, over the last weeks; NULL where that is not known
    rated_at             TEXT,        -- when that was reckoned
    largest_log          INTEGER,     -- the most records that it ever told its log can hold, or that were in it;
                                      -- NULL while it never told
    pruned_at            TEXT,        -- when punches of it were pruned last; NULL: nothing of it is forgotten
    forms_left           INTEGER NOT NULL DEFAULT 0, -- 1: forms of punches that were pruned may be in form yet
    shown                INTEGER NOT NULL DEFAULT 0  -- how many punches it has shown itself, by whatever door;
                                                     -- also those that were pruned
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
                                      -- 'same second', 'exact repeat', 'manual', 'sudden'
    kinds          INTEGER NOT NULL DEFAULT 0,  -- which kinds of bytes showed it, as a sum: 1, 2, 4, 8, 16
                                                -- for records of 8, 16, 22, 40, 49 bytes, 32 for push, 64
                                                -- for the row of a database
    nth            INTEGER NOT NULL DEFAULT 1,  -- which punch of its user and second it is
    first_id       TEXT,              -- of a further one (nth > 1) the id of the first
    manual         INTEGER NOT NULL DEFAULT 0,  -- 1: a person typed it in at the vendor's program
    in_log         INTEGER GENERATED ALWAYS AS (  -- 1: a reading found it in its device's log, as a record that
                                                  -- was not there before
        CASE WHEN kinds & 31 <> 0 AND coalesce(hold, '') NOT IN ('same second', 'exact repeat') THEN 1 ELSE 0 END
    ) VIRTUAL
);
CREATE UNIQUE INDEX punch_identity ON punch (id);
-- A person's punches by the day of their wall clocks; of all people, a look for each finds a day's.
CREATE INDEX punch_person ON punch (user_id, substr(timestamp, 1, 10));
CREATE INDEX punch_first_id ON punch (first_id) WHERE first_id IS NOT NULL;
-- Those that a row has shown, by their second: when badges are changed in place, all seconds are known ones.
CREATE INDEX punch_bridged ON punch (device, substr(timestamp, 1, 19)) WHERE kinds >= 64;

-- Those of one device, in the order of journalling: of how many records its log has moved on since one of them.
CREATE INDEX punch_of_device ON punch (device, in_log);

-- Names that devices had when a punch was journalled.
CREATE TABLE punched_name (
    name  TEXT PRIMARY KEY
) WITHOUT ROWID;

-- How punches were shown: bytes that are known of a device, with what means nothing zeroed, and the punch that
-- each showing of them was. No index by punch: it would repeat the bytes.
CREATE TABLE form (
    device      INTEGER NOT NULL REFERENCES device (id),
    bytes       BLOB NOT NULL,
    occurrence  INTEGER NOT NULL,  -- from 1: equal bytes may be shown for another punch
    punch       INTEGER NOT NULL REFERENCES punch (seq),
    PRIMARY KEY (device, bytes, occurrence)
) WITHOUT ROWID;

-- Punches that were pruned, each the only one of its user and second. One that is shown again is known by that,
-- and is sent to nobody. About 31 bytes each, packed.
CREATE TABLE forgotten_punch (
    id       BLOB PRIMARY KEY,   -- the 16 bytes of the UUID
    punch    INTEGER NOT NULL,   -- its place when it was in punch; never used again
    kinds    INTEGER NOT NULL,   -- as in punch
    state    INTEGER NOT NULL,
    bridged  INTEGER NOT NULL    -- 1: it came in by a database
) WITHOUT ROWID;

-- The bytes that showed them. About 29 bytes each, packed.
CREATE TABLE forgotten_form (
    device      INTEGER NOT NULL REFERENCES device (id),
    digest      BLOB NOT NULL,     -- 16 bytes of BLAKE2b
    occurrence  INTEGER NOT NULL,  -- as in form
    punch       INTEGER NOT NULL,  -- as in forgotten_punch
    PRIMARY KEY (device, digest, occurrence)
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

-- Punches that lay there because their slot was nobody's, and what a person said whose they are.
CREATE TABLE assignment (
    punch        INTEGER PRIMARY KEY REFERENCES punch (seq),
    slot         INTEGER NOT NULL,  -- of the device's user table
    person       TEXT NOT NULL,     -- the account that said so
    assigned_at  TEXT NOT NULL
);

-- How many punches the last weeks brought, by the day that their device's clock showed, as far as they were
-- counted: once a day, as that takes long where there are many. Those of a clock that cannot be right, and those
-- that only databases have shown, are in none.
CREATE TABLE punched (
    device  INTEGER NOT NULL REFERENCES device (id),
    day     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (device, day)
) WITHOUT ROWID;

-- The last punch that was counted there; those behind it are added by who looks.
CREATE TABLE punched_until (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    seq         INTEGER NOT NULL,
    counted_at  TEXT NOT NULL
);

CREATE TABLE destination (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,  -- the dashboard's name in the inventory
    after  INTEGER NOT NULL,      -- it gets the punches journalled after this one
    halted TEXT,                  -- what it said when it was gone for good (410); nothing is sent there
    given_up_since TEXT,          -- when a person gave it up, gone from the inventory; it gets nothing then
    answer      TEXT,             -- what it told when it was asked about itself, such as its time zone
    answered_at TEXT,             -- when it told that
    answer_to   BLOB,             -- digest of its address, and of what the answer is compared with
    failed_runs INTEGER NOT NULL DEFAULT 0, -- how many in a row ended at a failure of the punches that are first
    confirmed   INTEGER NOT NULL DEFAULT 0, -- how many of its punches are in that state: nobody walks them all
    confirmed_at TEXT,            -- when it confirmed one last
    due          INTEGER NOT NULL DEFAULT 0, -- how many punches were put into its outbox, or should have been
    discarded    INTEGER NOT NULL DEFAULT 0, -- how many of them are in that state
    removed      INTEGER NOT NULL DEFAULT 0  -- how many were confirmed, and are pruned by now
);

-- How many punches waited for a destination: a point an hour, of the last days.
CREATE TABLE backlog (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    at           TEXT NOT NULL,
    pending      INTEGER NOT NULL,
    PRIMARY KEY (destination, at)
) WITHOUT ROWID;

-- The same through the last day, also while it failed, with what it had confirmed: a point each half hour.
CREATE TABLE course (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    at           TEXT NOT NULL,
    pending      INTEGER NOT NULL,
    confirmed    INTEGER NOT NULL,  -- in all, what is pruned by now included
    PRIMARY KEY (destination, at)
) WITHOUT ROWID;

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
    body         BLOB,
    first        INTEGER NOT NULL DEFAULT 0,  -- the first and the last punch of those that nothing has
    last         INTEGER NOT NULL DEFAULT 0,  -- answered for
    places       TEXT NOT NULL DEFAULT ''     -- and all of them: '17-516,520'
);

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
    told_at  TEXT NOT NULL,     -- of one that nobody was told yet, when it was found
    text     TEXT,              -- the sentence; NULL where an older zkpoll told it
    advice   INTEGER NOT NULL DEFAULT 0,  -- 1: it needs nobody
    owed     TEXT CHECK (owed IN ('begun', 'changed', 'ended'))  -- what a run saw of it that tells no news, so
                                -- that the next one that does tells it; NULL: all is told
);

-- When a run ended last; none where no run did. One that is killed, or cannot use the journal, leaves it.
CREATE TABLE last_run (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    ended_at  TEXT NOT NULL
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

-- A database of vendor software that the bridge reads.
CREATE TABLE database (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL,         -- the device key of its rows that no terminal made, chosen at first contact
    name       TEXT UNIQUE,           -- its name in the inventory; NULL where another one has that by now
    address    TEXT NOT NULL UNIQUE,  -- what it is known by; one that has moved is read as if it were new
    kind       TEXT NOT NULL,         -- the vendor's program: 'att2000' ...
    met_at     TEXT NOT NULL,
    read_at    TEXT,                  -- its last complete visit
    whole_at   TEXT,                  -- its last complete whole reading; NULL while one is under way
    rows       INTEGER,               -- how many it had then
    lookups    BLOB,                  -- digest of the people and machines by which rows were settled last
    asked      BLOB,                  -- digest of what of the inventory decides which rows are punches
    numbering  INTEGER NOT NULL DEFAULT 0, -- how often its people got each other's numbers
    rows_there INTEGER NOT NULL DEFAULT 0  -- how many of its rows are in a bucket: nobody walks them all
);

-- The parts of its table that were read to their end, as they were just before.
CREATE TABLE database_bucket (
    database     INTEGER NOT NULL REFERENCES database (id),
    bucket       INTEGER NOT NULL,
    fingerprint  BLOB NOT NULL,
    PRIMARY KEY (database, bucket)
) WITHOUT ROWID;

-- The rows it ever showed.
CREATE TABLE database_row (
    database     INTEGER NOT NULL REFERENCES database (id),
    key          TEXT NOT NULL,     -- 'number second', or 'number of the person second' where rows have none
    bucket       INTEGER,           -- NULL: in none; gone, or on its way to another one that is not read yet
    punch        INTEGER REFERENCES punch (seq),  -- NULL: set aside (reason), or its punch was pruned
    content      BLOB NOT NULL,     -- what it says beside whose it is and when
    raw          TEXT,              -- the row as it stands there, where it is set aside or has changed
    reason       TEXT,              -- why it is set aside
    detail       TEXT,
    seen_at      TEXT NOT NULL,     -- when it was first seen
    changed_at   TEXT,              -- when its content was seen to be another one, the last time
    gone_at      TEXT,              -- when it was seen to be gone
    accepted_at  TEXT,              -- set aside: when a person accepted that
    numbering    INTEGER NOT NULL,  -- that of its database when it was last read; of another one, its key may
                                    -- be another person's by now
    PRIMARY KEY (database, key)
) WITHOUT ROWID;
CREATE INDEX database_row_bucket ON database_row (database, bucket);
CREATE INDEX database_row_punch ON database_row (punch);
-- Few rows are in these. Each has all that its queries ask of it, in an order that tells most first: else the
-- planner walks the primary key, past all rows.
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

-- Its people: the badges by the numbers its program knows them by, also those that they had before.
CREATE TABLE database_person (
    database  INTEGER NOT NULL REFERENCES database (id),
    number    TEXT NOT NULL,
    badge     TEXT NOT NULL,
    since     TEXT NOT NULL,
    current   INTEGER NOT NULL,  -- 1: the number has it, or had it last
    PRIMARY KEY (database, number, badge)
) WITHOUT ROWID;

-- Work that goes to workers, once each span of time, and how far it has come.
CREATE TABLE errand (
    subject      TEXT PRIMARY KEY,  -- 'visit front-door', 'deliver main', 'clear front-door'
    settings     TEXT NOT NULL,     -- digest of what the inventory says of it, where it was claimed
    sent_at      TEXT NOT NULL,     -- when it was claimed last, to be sent
    until        TEXT,              -- the end of the span in which that was: the name of that sending; NULL: it
                                    -- could not be sent
    waits_since  TEXT NOT NULL,     -- since when it was not done; of one that was, when it was claimed for that
    taken        TEXT,              -- the sending that was taken last
    taken_at     TEXT,
    taken_by     TEXT,              -- the worker that took it
    done_at      TEXT,              -- when that taking ended; NULL while it has not
    outcome      TEXT               -- and how
) WITHOUT ROWID;
