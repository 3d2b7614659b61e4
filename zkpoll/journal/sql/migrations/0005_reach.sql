-- Up to when what was punched at a device is in the journal, for dashboards that go on from there.

-- NULL while its log was never read to its end, or while its clock shows no date.
ALTER TABLE device ADD COLUMN complete_until TEXT;

-- Its name in the inventory before another terminal took its place, which its last punches go by.
ALTER TABLE device ADD COLUMN last_name TEXT;

-- 1: of the request that was sent last. Others were sent before, together with some that are answered by now.
ALTER TABLE batch ADD COLUMN last INTEGER NOT NULL DEFAULT 1;
