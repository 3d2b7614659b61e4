-- What was found and could not be told yet.

-- What a run is to tell once, and did not yet; gone once it is told.
CREATE TABLE untold (
    subject   TEXT NOT NULL,  -- 'journal'
    text      TEXT NOT NULL,
    found_at  TEXT NOT NULL,
    PRIMARY KEY (subject, text)
) WITHOUT ROWID;
