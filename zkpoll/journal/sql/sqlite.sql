-- Statements of the journal that SQLite has in its own words.

-- name: check_no_references
-- For this connection. Without an index by punch alone, SQLite would walk all outboxes for each punch that is
-- deleted, to see that nothing refers to it; what refers to one is deleted in the same transaction.
PRAGMA foreign_keys = OFF;

-- name: compact
VACUUM;
