-- Every statement of the journal. `-- name:` starts one; parameters are named.

-- name: device_by_name
SELECT id, key FROM device WHERE name = :name;

-- name: device_by_key
SELECT id, coalesce(name, seen_as) FROM device WHERE key = :key;

-- name: meet_device
-- A device that got another name in the inventory keeps its key, and all its punches.
INSERT INTO device (key, name, met_at) VALUES (:key, :name, :now)
ON CONFLICT (key) DO UPDATE SET name = excluded.name
RETURNING id, held;

-- name: meet_stranger
-- A terminal that answers where another one belongs.
INSERT INTO device (key, seen_as, held, met_at) VALUES (:key, :name, 1, :now)
ON CONFLICT (key) DO UPDATE SET seen_as = excluded.seen_as, held = 1;

-- name: stranger_seen_as
SELECT id, key, name FROM device WHERE seen_as = :name;

-- name: release_device
-- Its punches were held while it answered where it did not belong.
UPDATE outbox SET state = 'pending', reason = NULL, changed_at = :now
WHERE state = 'held' AND reason = 'another terminal'
  AND punch IN (SELECT seq FROM punch WHERE device = :device);

-- name: punches_of_device
SELECT seq, user_id, timestamp FROM punch WHERE device = :device AND same_second = 0 ORDER BY seq;

-- name: move_punch
-- To the terminal that it is of, unless that one has the record already.
UPDATE punch SET device = :device, id = :id
WHERE seq = :seq AND NOT EXISTS (
    SELECT 1 FROM punch AS other
    WHERE (other.device = :device AND other.canonical = punch.canonical)
       OR (other.id = :id AND other.same_second = 0)
);

-- name: discard_device
-- What is left under a serial number that is another's now: the terminal itself has shown it, too.
UPDATE outbox SET state = 'discarded', reason = 'same terminal', changed_at = :now
WHERE state = 'held' AND reason = 'another terminal'
  AND punch IN (SELECT seq FROM punch WHERE device = :device);

-- name: nothing_held
UPDATE device SET held = 0 WHERE id = :device;

-- name: forget_stranger
-- Whoever answered there, another one does now; what is held of it stays so.
UPDATE device SET seen_as = NULL WHERE seen_as = :name;

-- name: retire_device
UPDATE device SET name = NULL WHERE name = :name;

-- name: name_device
UPDATE device SET name = :name WHERE id = :device;

-- name: aliases
SELECT serial FROM alias JOIN device ON device.id = alias.device WHERE device.name = :name;

-- name: add_alias
INSERT INTO alias (serial, device) SELECT :serial, id FROM device WHERE name = :name
ON CONFLICT (serial) DO UPDATE SET device = excluded.device;

-- name: note_reading
UPDATE device
SET read_at = :now, on_device = :on_device, capacity = :capacity, drift = :drift,
    whole_at = CASE WHEN :whole OR whole_at IS NULL THEN :now ELSE whole_at END
WHERE key = :key;

-- name: newest_reading
SELECT max(read_at) FROM device;

-- name: meet_destination
-- A new dashboard gets what is journalled from now on.
INSERT INTO destination (name, after) VALUES (:name, (SELECT coalesce(max(seq), 0) FROM punch))
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id;

-- name: last_punch
SELECT coalesce(max(seq), 0) FROM punch;

-- name: empty_incoming
DELETE FROM incoming;

-- name: add_incoming
INSERT INTO incoming (place, value) VALUES (:place, :value);

-- name: punches_by_record
-- CROSS JOIN: take the few incoming values one by one, never the whole journal.
SELECT incoming.place, punch.seq
FROM incoming CROSS JOIN punch
WHERE punch.device = :device AND punch.canonical = incoming.value;

-- name: punches_by_identity
-- The punch that holds an id, and those of the same second; each half has its own index.
SELECT incoming.place, punch.seq, length(punch.canonical), punch.verify, punch.state, punch.work_code
FROM incoming CROSS JOIN punch
WHERE punch.id = incoming.value AND punch.same_second = 0
UNION ALL
SELECT incoming.place, punch.seq, length(punch.canonical), punch.verify, punch.state, punch.work_code
FROM incoming CROSS JOIN punch
WHERE punch.id = incoming.value AND punch.same_second = 1;

-- name: add_punch
INSERT INTO punch (id, same_second, device, device_name, user_id, timestamp, verify, state, work_code,
                   clock_suspect, canonical, source, journalled_at)
VALUES (:id, :same_second, :device, :device_name, :user_id, :timestamp, :verify, :state, :work_code,
        :clock_suspect, :canonical, :source, :now);

-- name: add_to_outbox
-- Every punch goes to every destination the journal knows, also to one that left the inventory for a
-- while. A second one in the same second waits for a person, and so does a stranger's (:held).
INSERT INTO outbox (destination, punch, state, reason, changed_at)
SELECT destination.id, punch.seq,
       CASE WHEN punch.same_second = 1 OR :held IS NOT NULL THEN 'held' ELSE 'pending' END,
       CASE WHEN punch.same_second = 1 THEN 'same second' ELSE :held END,
       :now
FROM punch CROSS JOIN destination
WHERE punch.seq > :after;

-- name: add_to_quarantine
INSERT INTO quarantine (device, raw, reason, quarantined_at) VALUES (:device, :raw, :reason, :now)
ON CONFLICT (device, raw) DO NOTHING;

-- name: any_quarantined
SELECT 1 FROM quarantine WHERE device = :device LIMIT 1;

-- name: quarantined_records
SELECT incoming.place FROM incoming CROSS JOIN quarantine
WHERE quarantine.device = :device AND quarantine.raw = incoming.value;

-- name: quarantined
SELECT coalesce(device.name, device.seen_as), device.key, quarantine.raw, quarantine.reason,
       quarantine.quarantined_at
FROM quarantine JOIN device ON device.id = quarantine.device
ORDER BY quarantine.quarantined_at, device.key, quarantine.raw;

-- name: watermark
SELECT watermark.layout, watermark.records, watermark.tail, watermark.fold, device.whole_at
FROM watermark JOIN device ON device.id = watermark.device
WHERE watermark.device = :device;

-- name: set_watermark
INSERT INTO watermark (device, layout, records, tail, fold, read_at)
VALUES (:device, :layout, :records, :tail, :fold, :now)
ON CONFLICT (device) DO UPDATE
SET layout = excluded.layout, records = excluded.records, tail = excluded.tail, fold = excluded.fold,
    read_at = excluded.read_at;

-- name: pending
-- Oldest first.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM outbox
JOIN punch ON punch.seq = outbox.punch
JOIN device ON device.id = punch.device
WHERE outbox.destination = :destination AND outbox.state = 'pending'
ORDER BY outbox.punch
LIMIT :limit;

-- name: confirm
UPDATE outbox SET state = 'confirmed', reason = NULL, changed_at = :now
WHERE destination = :destination AND punch = :punch AND state = 'pending';

-- name: counts
-- Both sides of the journal sum in one statement, so that no other process journals in between.
SELECT 'punches', count(*) FROM destination CROSS JOIN punch
WHERE destination.id = :destination AND punch.seq > destination.after
UNION ALL
SELECT state, count(*) FROM outbox WHERE destination = :destination GROUP BY state;

-- name: waiting_by_destination
SELECT destination.name, count(*) FROM outbox JOIN destination ON destination.id = outbox.destination
WHERE outbox.state = 'pending'
GROUP BY destination.name ORDER BY destination.name;

-- name: oldest_pending
SELECT punch.journalled_at FROM outbox JOIN punch ON punch.seq = outbox.punch
WHERE outbox.destination = :destination AND outbox.state = 'pending'
ORDER BY outbox.punch LIMIT 1;

-- name: conditions
SELECT subject, kind, since, told_at FROM condition ORDER BY subject;

-- name: forget_conditions
DELETE FROM condition;

-- name: add_condition
INSERT INTO condition (subject, kind, since, told_at) VALUES (:subject, :kind, :since, :told_at);
