-- Records that were nobody's, and what a person said whose they are.

CREATE TABLE assignment (
    punch        INTEGER PRIMARY KEY REFERENCES punch (seq),
    slot         INTEGER NOT NULL,
    person       TEXT NOT NULL,
    assigned_at  TEXT NOT NULL
);
