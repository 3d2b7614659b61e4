-- Statements of the journal that PostgreSQL has in its own words.

-- name: check_no_references
-- No table refers to punch here.
SELECT 1;

-- name: compact
-- The server does that by itself.
SELECT 1;

-- name: add_intent
-- By the clock of the server, which all hosts share.
INSERT INTO intent (device, since)
VALUES (:device, translate(to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24;MI;SS.MS"+00;00"'),
                           ';', ':'))
ON CONFLICT (device) DO NOTHING;

-- name: intent_age
-- Its run may go on without its locks, which the server has freed.
SELECT CAST(extract(epoch FROM clock_timestamp() - CAST(since AS timestamptz)) AS DOUBLE PRECISION)
FROM intent WHERE device = (SELECT id FROM device WHERE key = :key);
