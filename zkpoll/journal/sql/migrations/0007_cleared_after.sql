-- Where in the journal a clearing of a log lies, which no clock has to tell.

-- NULL while the log was never cleared, or was cleared before these were written down.
ALTER TABLE device ADD COLUMN cleared_after INTEGER;
ALTER TABLE device ADD COLUMN cleared_quarantined INTEGER;
