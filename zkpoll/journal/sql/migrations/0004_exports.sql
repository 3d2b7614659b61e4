-- What users each device had when they were last exported, to tell what has changed since.

-- By device key, not by device: users may be exported of a terminal whose log was never read.
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
