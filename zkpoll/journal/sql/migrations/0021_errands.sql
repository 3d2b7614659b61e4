-- Work that goes to workers: what is due, sent, taken and done.

CREATE TABLE errand (
    subject      TEXT PRIMARY KEY,
    settings     TEXT NOT NULL,
    sent_at      TEXT NOT NULL,
    until        TEXT,
    waits_since  TEXT NOT NULL,
    taken        TEXT,
    taken_at     TEXT,
    taken_by     TEXT,
    done_at      TEXT,
    outcome      TEXT
) WITHOUT ROWID;
