-- How fast a device's log fills: it takes long to count where there are many punches, so it is done once a day.

ALTER TABLE device ADD COLUMN per_day REAL;
ALTER TABLE device ADD COLUMN rated_at TEXT;
