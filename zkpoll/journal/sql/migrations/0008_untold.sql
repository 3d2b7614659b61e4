-- What was found and could not be told yet.

-- What a run is to tell once, and did not yet; gone once it is told.
CREATE TABLE untold (
    subject   TEXT NOT NULL,  -- 'journal', 'device front-door'
    text      TEXT NOT NULL,
    found_at  TEXT NOT NULL,
    PRIMARY KEY (subject, text)
) WITHOUT ROWID;

-- Of a reading from the log's first record on that has not come to its end: how many records were known when it
-- began (NULL: there is no such reading), and how many of its records until now were known before they were read.
ALTER TABLE watermark ADD COLUMN whole_before INTEGER;
ALTER TABLE watermark ADD COLUMN whole_seen INTEGER;
