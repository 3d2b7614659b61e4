-- Delivery that parks, tries again and stops; the batch in flight; punches that wait for a person.

-- Why a punch is not sent unless a person asks for it: 'since', 'repeat'. Decided once, when journalled.
ALTER TABLE punch ADD COLUMN hold TEXT;

-- Parked: when the dashboard last refused it; NULL when it is to be tried at once.
ALTER TABLE outbox ADD COLUMN tried_at TEXT;

-- What a dashboard said when it was gone for good (410); nothing is sent there until a person resumes it.
ALTER TABLE destination ADD COLUMN halted TEXT;

-- With state in them for the same reason as outbox_pending.
CREATE INDEX outbox_parked ON outbox (destination, state, punch, tried_at) WHERE state = 'parked';
CREATE INDEX outbox_held ON outbox (destination, state, punch) WHERE state = 'held';

-- The batch a destination was sent last, until it is answered.
CREATE TABLE batch (
    destination  INTEGER NOT NULL REFERENCES destination (id),
    punch        INTEGER NOT NULL REFERENCES punch (seq),
    PRIMARY KEY (destination, punch)
) WITHOUT ROWID;

-- The last punch of a person in a state that was not held as a repeat, at devices with repeat_within.
CREATE TABLE last_kept (
    device     INTEGER NOT NULL REFERENCES device (id),
    user_id    TEXT NOT NULL,
    state      INTEGER NOT NULL,
    timestamp  TEXT NOT NULL,  -- as in punch
    PRIMARY KEY (device, user_id, state)
) WITHOUT ROWID;
