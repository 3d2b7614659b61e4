-- Clearing a device's log: that it may be disabled just now, and what was learned of its firmware.

-- Devices that may be disabled: written before DISABLE, gone once ENABLE is answered.
CREATE TABLE intent (
    device  INTEGER PRIMARY KEY REFERENCES device (id),
    since   TEXT NOT NULL
);

-- When its log was last cleared by us.
ALTER TABLE device ADD COLUMN cleared_at TEXT;

-- When it acknowledged CLEAR and kept its log; NULL while it is not known to.
ALTER TABLE device ADD COLUMN clear_ignored TEXT;

-- How it showed that it takes punches while it is disabled; NULL while it is not known to.
ALTER TABLE device ADD COLUMN disable_ignored TEXT;

-- When a person accepted that nobody can believe it; NULL while it keeps its device's log from being cleared.
ALTER TABLE quarantine ADD COLUMN accepted_at TEXT;

-- When a person gave a dashboard up that had left the inventory; NULL while it gets what is journalled.
ALTER TABLE destination ADD COLUMN given_up_at TEXT;
