-- Up to when what was punched at a device is in the journal, for dashboards that go on from there.

-- NULL while its log was never read to its end, or while its clock shows no date.
ALTER TABLE device ADD COLUMN complete_until TEXT;
