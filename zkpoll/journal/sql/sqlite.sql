-- Statements of the journal that SQLite has in its own words.

-- name: check_no_references
-- For this connection. Without an index by punch alone, SQLite would walk all outboxes for each punch that is
-- deleted, to see that nothing refers to it; what refers to one is deleted in the same transaction.
PRAGMA foreign_keys = OFF;

-- name: compact
VACUUM;

-- name: add_intent
INSERT INTO intent (device, since) VALUES (:device, :now)
ON CONFLICT (device) DO NOTHING;

-- name: intent_age
-- It does not matter: a run that has ended has freed its locks, and none other does.
SELECT NULL FROM intent WHERE device = (SELECT id FROM device WHERE key = :key);
