-- Every statement of the journal. `-- name:` starts one; parameters are named. `incoming` is a table of the
-- values that a statement is run over: (place, value).

-- name: device_by_name
SELECT id, key FROM device WHERE name = :name;

-- name: device_by_key
SELECT id, coalesce(name, seen_as), read_at FROM device WHERE key = :key;

-- name: names_by_key
SELECT key, name FROM device WHERE name IS NOT NULL;

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
-- Its punches were held while it answered where it did not belong; some are held for themselves as well.
UPDATE outbox
SET state = CASE WHEN punch.hold IS NULL THEN 'pending' ELSE 'held' END, reason = punch.hold, changed_at = :now
FROM punch
WHERE punch.seq = outbox.punch AND punch.device = :device
  AND outbox.state = 'held' AND outbox.reason = 'another terminal';

-- name: punches_to_move
-- Those of a device that another one has not shown, oldest first.
SELECT seq, user_id, timestamp, kinds, state FROM punch
WHERE device = :device AND seq NOT IN (
    SELECT form.punch FROM form
    WHERE form.device = :device AND EXISTS (
        SELECT 1 FROM form AS other
        WHERE other.device = :other AND other.bytes = form.bytes AND other.occurrence = form.occurrence
    )
)
ORDER BY seq;

-- name: move_punch
UPDATE punch SET device = :device, id = :id, nth = :nth, first_id = :first_id, hold = coalesce(hold, :hold)
WHERE seq = :seq;

-- name: move_forms
-- Those of punches that were moved, after them.
UPDATE form SET device = :other
WHERE device = :device AND punch IN (SELECT seq FROM punch WHERE device = :other);

-- name: discard_device
-- What is left under a serial number that is another's now: the terminal itself has shown it, too.
UPDATE outbox SET state = 'discarded', reason = 'same terminal', changed_at = :now
WHERE state = 'held' AND reason = 'another terminal'
  AND punch IN (SELECT seq FROM punch WHERE device = :device);

-- name: own_name
-- It was met under the name it has: it is no stranger.
UPDATE device SET seen_as = NULL WHERE id = :device;

-- name: nothing_held
UPDATE device SET held = 0 WHERE id = :device;

-- name: forget_stranger
-- Whoever answered there, another one does now; what is held of it stays so.
UPDATE device SET seen_as = NULL WHERE seen_as = :name;

-- name: retire_device
UPDATE device SET name = NULL, last_name = name WHERE name = :name;

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
    complete_until = :complete_until,
    whole_at = CASE WHEN :whole OR whole_at IS NULL THEN :now ELSE whole_at END
WHERE key = :key;

-- name: last_reading
SELECT key, read_at, on_device, capacity FROM device WHERE name = :name AND read_at IS NOT NULL;

-- name: newest_reading
-- Of a device that is in use; what was read last before it left is never read again.
SELECT max(read_at) FROM device
WHERE name IS NOT NULL AND (CAST(:until AS TEXT) IS NULL OR read_at <= :until);

-- name: meet_destination
-- A new dashboard gets what is journalled from now on, and so does one that was given up and is back.
INSERT INTO destination (name, after) VALUES (:name, (SELECT coalesce(max(seq), 0) FROM punch))
ON CONFLICT (name) DO UPDATE
SET after = CASE WHEN destination.given_up_at IS NULL THEN destination.after ELSE excluded.after END,
    given_up_at = NULL
RETURNING id;

-- name: last_journalled
SELECT journalled_at FROM punch ORDER BY seq DESC LIMIT 1;

-- name: last_punch
SELECT coalesce(max(seq), 0) FROM punch;

-- name: known_bytes
-- How often each is known as a punch, and of which: the first, and the last journalled. CROSS JOIN: take the few
-- incoming values one by one, never the whole journal.
SELECT incoming.place, count(*), max(form.occurrence), min(form.punch), max(form.punch)
FROM incoming CROSS JOIN form
WHERE form.device = :device AND form.bytes = incoming.value
GROUP BY incoming.place;

-- name: punches_of_second
-- Given the id of the first punch of a user and second, that punch and the further ones; each half has its own
-- index.
SELECT incoming.place, punch.seq, punch.kinds, punch.nth, punch.hold, punch.verify, punch.state,
       punch.work_code
FROM incoming CROSS JOIN punch
WHERE punch.id = incoming.value AND punch.nth = 1
UNION ALL
SELECT incoming.place, punch.seq, punch.kinds, punch.nth, punch.hold, punch.verify, punch.state,
       punch.work_code
FROM incoming CROSS JOIN punch
WHERE punch.first_id = incoming.value;

-- name: punches_by_id
SELECT punch.seq FROM incoming CROSS JOIN punch WHERE punch.id = incoming.value;

-- name: nth_of_second
SELECT incoming.place, punch.nth FROM incoming CROSS JOIN punch WHERE punch.seq = incoming.value;

-- name: add_punch
INSERT INTO punch (id, nth, first_id, device, device_name, user_id, timestamp, verify, state, work_code,
                   clock_suspect, kinds, source, hold, journalled_at)
VALUES (:id, :nth, :first_id, :device, :device_name, :user_id, :timestamp, :verify, :state, :work_code,
        :clock_suspect, :kinds, :source, :hold, :now)
RETURNING seq;

-- name: add_form
INSERT INTO form (device, bytes, occurrence, punch) VALUES (:device, :bytes, :occurrence, :punch);

-- name: add_line
INSERT INTO push_line (punch, rest) VALUES (:punch, :rest) ON CONFLICT (punch) DO NOTHING;

-- name: add_kind
UPDATE punch SET kinds = kinds | :kind WHERE seq = :punch;

-- name: last_kept
-- CROSS JOIN for the same reason.
SELECT incoming.place, last_kept.state, last_kept.timestamp
FROM incoming CROSS JOIN last_kept
WHERE last_kept.device = :device AND last_kept.user_id = incoming.value;

-- name: keep_last
INSERT INTO last_kept (device, user_id, state, timestamp) VALUES (:device, :user_id, :state, :timestamp)
ON CONFLICT (device, user_id, state) DO UPDATE SET timestamp = excluded.timestamp;

-- name: add_to_outbox
-- Every incoming punch goes to every destination the journal knows, also to one that left the inventory for a
-- while. One that shares its second or its bytes waits for a person, and so does a stranger's (:held), and
-- what the settings hold.
INSERT INTO outbox (destination, punch, state, reason, changed_at)
SELECT destination.id, punch.seq,
       CASE WHEN coalesce(:held, punch.hold) IS NOT NULL THEN 'held' ELSE 'pending' END,
       CASE WHEN punch.hold IN ('same second', 'exact repeat') THEN punch.hold
            ELSE coalesce(:held, punch.hold) END,
       :now
FROM incoming CROSS JOIN punch CROSS JOIN destination
WHERE punch.seq = incoming.value AND destination.given_up_at IS NULL;

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
       quarantine.quarantined_at, quarantine.accepted_at
FROM quarantine JOIN device ON device.id = quarantine.device
ORDER BY quarantine.quarantined_at, device.key, quarantine.raw;

-- name: watermark
SELECT watermark.layout, watermark.records, watermark.tail, watermark.fold, device.whole_at,
       watermark.all_read, watermark.clear_sent, watermark.whole_before, watermark.whole_seen
FROM watermark JOIN device ON device.id = watermark.device
WHERE device.key = :key;

-- name: set_watermark
INSERT INTO watermark (device, layout, records, tail, fold, all_read, whole_before, whole_seen, read_at)
VALUES ((SELECT id FROM device WHERE key = :key), :layout, :records, :tail, :fold, :all_read, :whole_before,
        :whole_seen, :now)
ON CONFLICT (device) DO UPDATE
SET layout = excluded.layout, records = excluded.records, tail = excluded.tail, fold = excluded.fold,
    all_read = excluded.all_read, clear_sent = 0, whole_before = excluded.whole_before,
    whole_seen = excluded.whole_seen, read_at = excluded.read_at;

-- name: forget_watermark
DELETE FROM watermark WHERE device = :device;

-- name: end_of_log
UPDATE watermark SET all_read = 1, whole_before = NULL, whole_seen = NULL
WHERE (all_read = 0 OR whole_before IS NOT NULL) AND device = (SELECT id FROM device WHERE key = :key);

-- name: requests
-- What a destination was sent and did not answer for, the oldest first.
SELECT id, began_at, punches, method, key, body FROM request WHERE destination = :destination ORDER BY id;

-- name: carried
-- The punches of those requests, in whatever state they are by now: a person may have decided meanwhile.
SELECT carried.request, outbox.state, punch.seq, punch.id, punch.device_name, device.key, punch.user_id,
       punch.timestamp, punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM request
JOIN carried ON carried.request = request.id
JOIN punch ON punch.seq = carried.punch
JOIN device ON device.id = punch.device
LEFT JOIN outbox ON outbox.destination = request.destination AND outbox.punch = carried.punch
WHERE request.destination = :destination
ORDER BY carried.request, carried.punch;

-- name: pending
-- Oldest first: as many places as are asked for, by their index alone, then their punches.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM (SELECT punch FROM outbox
      WHERE destination = :destination AND state = 'pending'
      ORDER BY punch LIMIT :limit) AS waiting
CROSS JOIN punch CROSS JOIN device
WHERE punch.seq = waiting.punch AND device.id = punch.device
ORDER BY waiting.punch;

-- name: newest_of_people
-- One pending punch of each person, newest first. It walks all that is pending, once in a run at the most.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM (SELECT max(outbox.punch) AS newest
      FROM outbox JOIN punch ON punch.seq = outbox.punch
      WHERE outbox.destination = :destination AND outbox.state = 'pending'
      GROUP BY punch.device, punch.user_id
      ORDER BY newest DESC LIMIT :limit) AS people
JOIN punch ON punch.seq = people.newest
JOIN device ON device.id = punch.device
ORDER BY punch.seq DESC;

-- name: parked
-- Those that were tried before :before, and those tried in a time to come: this host's clock was wrong then.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM outbox
JOIN punch ON punch.seq = outbox.punch
JOIN device ON device.id = punch.device
WHERE outbox.destination = :destination AND outbox.state = 'parked' AND outbox.punch > :after
  AND (outbox.tried_at IS NULL OR outbox.tried_at < :before OR outbox.tried_at > :now)
ORDER BY outbox.punch
LIMIT :limit;

-- name: add_request
INSERT INTO request (destination, began_at, punches, method, key, body)
VALUES (:destination, :now, :punches, :method, :key, :body)
RETURNING id;

-- name: carry
-- Once, and only what has a place in the outbox, in a state there is: whoever counts fewer has found damage.
INSERT INTO carried (request, punch)
SELECT :request, outbox.punch FROM incoming CROSS JOIN outbox
WHERE outbox.destination = :destination AND outbox.punch = incoming.value
  AND outbox.state IN ('pending', 'confirmed', 'parked', 'held', 'discarded')
ON CONFLICT (request, punch) DO NOTHING;

-- name: unload
DELETE FROM carried WHERE request = :request AND punch IN (SELECT value FROM incoming);

-- name: forget_request
DELETE FROM request WHERE id = :request;

-- name: forget_requests
DELETE FROM request WHERE destination = :destination;

-- name: confirm
UPDATE outbox SET state = 'confirmed', reason = NULL, tried_at = NULL, changed_at = :now
WHERE destination = :destination AND state IN ('pending', 'parked')
  AND punch IN (SELECT value FROM incoming);

-- name: confirm_request
-- All that a request carried.
UPDATE outbox SET state = 'confirmed', reason = NULL, tried_at = NULL, changed_at = :now
WHERE destination = :destination AND state IN ('pending', 'parked')
  AND punch IN (SELECT punch FROM carried WHERE request = :request);

-- name: states
SELECT incoming.place, outbox.state FROM incoming CROSS JOIN outbox
WHERE outbox.destination = :destination AND outbox.punch = incoming.value;

-- name: park
-- One that stays parked has been so since it was first.
UPDATE outbox
SET state = 'parked', reason = :reason, tried_at = :tried_at,
    changed_at = CASE WHEN state = 'parked' THEN changed_at ELSE :now END
WHERE destination = :destination AND punch = :punch AND state IN ('pending', 'parked');

-- name: halted
SELECT halted FROM destination WHERE id = :destination;

-- name: halt
UPDATE destination SET halted = :words WHERE id = :destination;

-- name: counts
-- Both sides of the journal sum in one statement, so that no other process journals in between. What was
-- journalled before a dashboard was met counts where a person put it into its outbox. Counted in one pass
-- each: a GROUP BY would sort the whole outbox. Then how many places there are, and how many of them each
-- index knows, which says otherwise where the file is damaged.
SELECT (SELECT count(*) FROM destination CROSS JOIN punch
        WHERE destination.id = :destination AND punch.seq > destination.after)
       + (SELECT count(*) FROM destination CROSS JOIN outbox
          WHERE destination.id = :destination AND outbox.destination = destination.id
            AND outbox.punch <= destination.after),
       count(*) FILTER (WHERE state = 'pending'),
       count(*) FILTER (WHERE state = 'confirmed'),
       count(*) FILTER (WHERE state = 'parked'),
       count(*) FILTER (WHERE state = 'held'),
       count(*) FILTER (WHERE state = 'discarded'),
       count(*),
       (SELECT count(*) FROM outbox WHERE destination = :destination AND state = 'pending'),
       (SELECT count(*) FROM outbox WHERE destination = :destination AND state = 'parked'),
       (SELECT count(*) FROM outbox WHERE destination = :destination AND state = 'held')
FROM outbox WHERE destination = :destination;

-- name: waiting_by_destination
SELECT name, (SELECT count(*) FROM outbox
              WHERE outbox.destination = destination.id AND outbox.state = 'pending')
FROM destination ORDER BY name;

-- name: give_up
-- A dashboard that left the inventory for good: it gets nothing any more.
UPDATE destination SET given_up_at = :now WHERE name = :name;

-- name: oldest_pending
SELECT journalled_at FROM punch
WHERE seq = (SELECT punch FROM outbox
             WHERE destination = :destination AND state = 'pending'
             ORDER BY punch LIMIT 1);

-- name: complete_until
SELECT name, complete_until FROM device WHERE name IS NOT NULL ORDER BY name;

-- name: unsettled_by_device
-- What a dashboard has not confirmed and will get, by the device's name of today or its last one; of one that
-- never had any, by where it answered. The smallest timestamp is the earliest among those of one offset; each
-- offset has a row.
SELECT coalesce(device.name, device.last_name, punch.device_name), waiting.state, min(punch.timestamp), count(*)
FROM (SELECT punch, state FROM outbox WHERE destination = :destination AND state = 'pending'
      UNION ALL
      SELECT punch, state FROM outbox WHERE destination = :destination AND state = 'parked'
      UNION ALL
      SELECT punch, state FROM outbox
      WHERE destination = :destination AND state = 'held' AND reason = 'another terminal') AS waiting
JOIN punch ON punch.seq = waiting.punch
JOIN device ON device.id = punch.device
GROUP BY coalesce(device.name, device.last_name, punch.device_name), waiting.state, substr(punch.timestamp, 20);

-- name: first_pending
SELECT punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM punch JOIN device ON device.id = punch.device
WHERE punch.seq = (SELECT outbox.punch FROM destination CROSS JOIN outbox
                   WHERE destination.name = :name AND outbox.destination = destination.id
                     AND outbox.state = 'pending'
                   ORDER BY outbox.punch LIMIT 1);

-- name: newest_punch
SELECT punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM punch JOIN device ON device.id = punch.device
ORDER BY punch.seq DESC LIMIT 1;

-- name: conditions
SELECT subject, kind, since, told_at FROM condition ORDER BY subject;

-- name: remember_condition
INSERT INTO condition (subject, kind, since, told_at) VALUES (:subject, :kind, :since, :told_at)
ON CONFLICT (subject) DO UPDATE SET kind = excluded.kind, since = excluded.since, told_at = excluded.told_at;

-- name: forget_condition
DELETE FROM condition WHERE subject = :subject;

-- name: owe
INSERT INTO untold (subject, text, found_at) VALUES (:subject, :text, :now)
ON CONFLICT (subject, text) DO NOTHING;

-- name: owed
SELECT subject, text FROM untold ORDER BY found_at, subject, text;

-- name: strike_owed
DELETE FROM untold WHERE subject = :subject AND text = :text;

-- --- what a person decides ---

-- name: destinations
SELECT name, id FROM destination ORDER BY name;

-- name: outbox_page
-- The next punches in some of the states; each state that has an index of its own is found by it.
SELECT punch FROM outbox
WHERE :parked AND destination = :destination AND state = 'parked' AND punch > :after
UNION ALL
SELECT punch FROM outbox
WHERE :held AND destination = :destination AND state = 'held' AND punch > :after
UNION ALL
SELECT punch FROM outbox
WHERE :pending AND destination = :destination AND state = 'pending' AND punch > :after
UNION ALL
SELECT punch FROM outbox
WHERE :discarded AND destination = :destination AND state = 'discarded' AND punch > :after
ORDER BY punch LIMIT :limit;

-- name: outbox_rows
-- CROSS JOIN: take the few incoming values one by one.
SELECT incoming.place, outbox.punch, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       outbox.state, outbox.reason, outbox.changed_at, outbox.tried_at, device.name, device.held,
       EXISTS (SELECT 1 FROM alias WHERE alias.serial = device.key)
FROM incoming CROSS JOIN outbox CROSS JOIN punch CROSS JOIN device
WHERE outbox.destination = :destination AND outbox.punch = incoming.value
  AND punch.seq = outbox.punch AND device.id = punch.device
ORDER BY incoming.place;

-- name: retry
-- What is parked stays so until the dashboard takes it. :state, so that only what the person saw is changed.
UPDATE outbox
SET state = CASE WHEN state = 'parked' THEN 'parked' ELSE 'pending' END,
    reason = CASE WHEN state = 'parked' THEN reason END,
    changed_at = CASE WHEN state = 'parked' THEN changed_at ELSE :now END,
    tried_at = NULL
WHERE destination = :destination AND punch = :punch AND state = :state;

-- name: discard
UPDATE outbox SET state = 'discarded', reason = :reason, changed_at = :now, tried_at = NULL
WHERE destination = :destination AND punch = :punch AND state = :state;

-- name: known_device
SELECT 1 WHERE EXISTS (SELECT 1 FROM device WHERE name = :name)
            OR EXISTS (SELECT 1 FROM punch WHERE device_name = :name);

-- name: punches_of_days
-- :first and :last are days by the device's wall clock. What a repaired terminal showed under its new
-- serial number before that was known is left out: it is in the journal under its own.
SELECT punch.seq, punch.hold, device.held, outbox.state, outbox.reason
FROM punch CROSS JOIN device
LEFT JOIN outbox ON outbox.destination = :destination AND outbox.punch = punch.seq
WHERE punch.seq > :after AND device.id = punch.device
  AND substr(punch.timestamp, 1, 10) BETWEEN :first AND :last
  AND (CAST(:device AS TEXT) IS NULL OR :device IN (punch.device_name, device.name))
  AND NOT EXISTS (SELECT 1 FROM alias WHERE alias.serial = device.key)
ORDER BY punch.seq LIMIT :limit;

-- name: backfill
INSERT INTO outbox (destination, punch, state, reason, changed_at)
VALUES (:destination, :punch, :state, :reason, :now)
ON CONFLICT (destination, punch) DO UPDATE
SET state = excluded.state, reason = excluded.reason, changed_at = excluded.changed_at
WHERE outbox.state = 'held';

-- name: resume
UPDATE destination SET halted = NULL WHERE id = :destination;

-- --- clearing a device's log ---

-- name: accept_quarantined
UPDATE quarantine SET accepted_at = :now
WHERE raw = :raw AND accepted_at IS NULL AND device = (SELECT id FROM device WHERE key = :key);

-- name: intent
SELECT since FROM intent WHERE device = :device;

-- name: add_intent
INSERT INTO intent (device, since) VALUES (:device, :now)
ON CONFLICT (device) DO NOTHING;

-- name: strike_intent
DELETE FROM intent WHERE device = :device;

-- name: unsettled
-- Which of the records may not be lost, why, and for which destination; a state that is none keeps one, too.
-- CROSS JOIN: take the few incoming values one by one. A punch that is older than a destination has no row
-- there, and nothing to wait for.
SELECT incoming.place, 'unknown', NULL FROM incoming
WHERE NOT EXISTS (SELECT 1 FROM form WHERE form.device = :device AND form.bytes = incoming.value)
  AND NOT EXISTS (SELECT 1 FROM quarantine
                  WHERE quarantine.device = :device AND quarantine.raw = incoming.value)
UNION ALL
SELECT incoming.place, 'quarantined', NULL FROM incoming CROSS JOIN quarantine
WHERE quarantine.device = :device AND quarantine.raw = incoming.value AND quarantine.accepted_at IS NULL
UNION ALL
SELECT incoming.place, outbox.state, destination.name
FROM incoming CROSS JOIN form CROSS JOIN destination CROSS JOIN outbox
WHERE form.device = :device AND form.bytes = incoming.value
  AND outbox.destination = destination.id AND outbox.punch = form.punch
  AND (outbox.state NOT IN ('confirmed', 'discarded', 'held')
       OR outbox.state = 'held' AND outbox.reason = 'another terminal');

-- name: punches_by_state
SELECT destination.name, outbox.state, count(*)
FROM destination CROSS JOIN punch CROSS JOIN outbox
WHERE punch.device = :device AND outbox.destination = destination.id AND outbox.punch = punch.seq
GROUP BY destination.name, outbox.state;

-- name: records_of_device
SELECT (SELECT count(*) FROM punch WHERE punch.device = :device), count(*), count(accepted_at)
FROM quarantine WHERE quarantine.device = :device;

-- name: expect_nothing
-- The log was seen empty. The layout stays: it is presumed of the records to come.
UPDATE watermark SET records = 0, tail = :nothing, fold = 0, all_read = 1, clear_sent = 0, read_at = :now
WHERE device = :device;

-- name: doubt_watermark
-- What the log held when it was told to clear itself stays: by that, the next visit finds out whether it did.
UPDATE watermark SET clear_sent = 1, read_at = :now WHERE device = :device AND records > 0;

-- name: place_of_clearing
SELECT (SELECT coalesce(max(seq), 0) FROM punch),
       (SELECT count(*) FROM quarantine WHERE device = :device AND substr(raw, 1, 5) <> :pushed);

-- name: note_cleared
UPDATE device
SET cleared_at = :now, cleared_after = :after, cleared_quarantined = :quarantined, on_device = 0,
    clear_ignored = NULL
WHERE id = :device;

-- name: note_clear_ignored
UPDATE device SET clear_ignored = :now WHERE id = :device;

-- name: note_disable_ignored
UPDATE device SET disable_ignored = :why WHERE id = :device;

-- name: why_not_cleared
SELECT clear_ignored, disable_ignored FROM device WHERE id = :device;

-- name: allow_clearing
UPDATE device SET clear_ignored = NULL, disable_ignored = NULL WHERE id = :device;

-- name: intents
SELECT coalesce(device.name, device.seen_as, device.key)
FROM intent JOIN device ON device.id = intent.device;

-- --- exports ---

-- name: last_export
SELECT exported_at FROM user_export WHERE key = :key;

-- name: exported_users
SELECT slot, user_id, name, privilege, card, user_group, has_password
FROM exported_user WHERE key = :key ORDER BY place;

-- name: note_export
INSERT INTO user_export (key, exported_at) VALUES (:key, :now)
ON CONFLICT (key) DO UPDATE SET exported_at = excluded.exported_at;

-- name: forget_exported_users
DELETE FROM exported_user WHERE key = :key;

-- name: add_exported_user
INSERT INTO exported_user (key, place, slot, user_id, name, privilege, card, user_group, has_password)
VALUES (:key, :place, :slot, :user_id, :name, :privilege, :card, :group, :has_password);

-- name: punches_to_export
-- The next ones that are meant, in the order of journalling.
SELECT punch.seq, punch.journalled_at, punch.id, punch.device_name, device.key, punch.user_id,
       punch.timestamp, punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect
FROM punch CROSS JOIN device
WHERE punch.seq > :after AND device.id = punch.device
  AND (CAST(:first AS TEXT) IS NULL OR substr(punch.timestamp, 1, 10) >= :first)
  AND (CAST(:last AS TEXT) IS NULL OR substr(punch.timestamp, 1, 10) <= :last)
  AND (CAST(:user AS TEXT) IS NULL OR punch.user_id = :user)
  AND (CAST(:device AS TEXT) IS NULL OR :device IN (punch.device_name, device.name))
ORDER BY punch.seq LIMIT :limit;

-- name: states_of_punches
-- CROSS JOIN: take the few incoming values one by one.
SELECT incoming.place, destination.name, outbox.state, outbox.reason
FROM incoming CROSS JOIN destination CROSS JOIN outbox
WHERE outbox.destination = destination.id AND outbox.punch = incoming.value
ORDER BY incoming.place, destination.name;

-- --- how things stand ---

-- name: device_standings
-- With the terminal, if any, that answers where the device belongs.
SELECT device.id, device.name, device.key, device.met_at, device.read_at, device.whole_at, device.on_device,
       device.capacity, device.drift, device.cleared_at, intent.since, stranger.key
FROM device
LEFT JOIN intent ON intent.device = device.id
LEFT JOIN device AS stranger ON stranger.seen_as = device.name
WHERE device.name IS NOT NULL
ORDER BY device.name;

-- name: quarantined_by_device
SELECT device, count(*) - count(accepted_at), count(accepted_at) FROM quarantine GROUP BY device;

-- name: journalled_from
SELECT journalled_at FROM punch WHERE seq >= :seq ORDER BY seq LIMIT 1;

-- name: journalled_by_day
-- Days are UTC's. They stand first in GROUP BY, else the planner walks all of an index that begins with device.
SELECT device, substr(journalled_at, 1, 10), count(*) FROM punch
WHERE seq >= :seq
GROUP BY substr(journalled_at, 1, 10), device;

-- name: dashboard_standings
-- Each state is counted by its own index, and looked up one by one: what is confirmed is not walked.
SELECT destination.name, destination.halted,
       (SELECT count(*) FROM outbox
        WHERE outbox.destination = destination.id AND outbox.state = 'pending'),
       (SELECT count(*) FROM outbox
        WHERE outbox.destination = destination.id AND outbox.state = 'parked'),
       (SELECT count(*) FROM outbox
        WHERE outbox.destination = destination.id AND outbox.state = 'held'),
       (SELECT min(outbox.changed_at) FROM outbox AS waiting CROSS JOIN outbox
        WHERE waiting.destination = destination.id AND waiting.state = 'pending'
          AND outbox.destination = waiting.destination AND outbox.punch = waiting.punch),
       (SELECT min(outbox.changed_at) FROM outbox AS waiting CROSS JOIN outbox
        WHERE waiting.destination = destination.id AND waiting.state = 'parked'
          AND outbox.destination = waiting.destination AND outbox.punch = waiting.punch)
FROM destination ORDER BY destination.name;

-- name: punches_of_person
-- :day is by the device's wall clock, which no index knows: this walks all punches, once.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.timestamp, punch.verify, punch.state,
       punch.work_code, punch.source, punch.journalled_at, punch.hold, punch.clock_suspect, device.held,
       push_line.rest
FROM punch CROSS JOIN device
LEFT JOIN push_line ON push_line.punch = punch.seq
WHERE punch.user_id = :user AND substr(punch.timestamp, 1, 10) = :day AND device.id = punch.device
ORDER BY punch.timestamp, punch.seq;

-- name: places_of_punch
-- One row for each dashboard; state is NULL where the punch was never meant for it.
SELECT destination.name, outbox.state, outbox.reason, outbox.changed_at, outbox.tried_at,
       EXISTS (SELECT 1 FROM request CROSS JOIN carried
               WHERE request.destination = destination.id
                 AND carried.request = request.id AND carried.punch = :punch)
FROM destination
LEFT JOIN outbox ON outbox.destination = destination.id AND outbox.punch = :punch
ORDER BY destination.name;

-- --- the list of devices ---

-- name: readings
-- What is known of each device that has a name, from its last reading to the end.
SELECT name, key, read_at, on_device, capacity, drift FROM device WHERE name IS NOT NULL;

-- name: backlog
-- Punches that wait for any dashboard, by device.
SELECT device.name, count(DISTINCT outbox.punch)
FROM outbox JOIN punch ON punch.seq = outbox.punch JOIN device ON device.id = punch.device
WHERE outbox.state = 'pending' AND device.name IS NOT NULL
GROUP BY device.name;

-- --- pruning ---

-- name: logs
-- Every device: when it was last read, when its log was cleared, how many records its log held when it was
-- last read, and how many the journal has got of it since the clearing, by their places: no clock takes part.
-- Bytes that were known before do not count: perhaps an old log was put back. Nor does what was pushed: that is
-- not what a reading found in the log.
SELECT device.id, device.key, device.name, device.seen_as, device.read_at, watermark.read_at,
       device.cleared_at, device.cleared_after, intent.since, device.on_device, watermark.records,
       (SELECT count(*) FROM form
        WHERE form.device = device.id AND form.occurrence = 1 AND form.punch > device.cleared_after
          AND substr(form.bytes, 1, 5) <> :pushed)
       + (SELECT count(*) FROM quarantine
          WHERE quarantine.device = device.id AND substr(quarantine.raw, 1, 5) <> :pushed)
       - device.cleared_quarantined,
       push_device.last_call_at
FROM device
LEFT JOIN watermark ON watermark.device = device.id
LEFT JOIN intent ON intent.device = device.id
LEFT JOIN push_device ON push_device.device = device.id
ORDER BY coalesce(device.name, device.key);

-- name: first_young
-- What was journalled after one that is not old is not old either, whatever the clock said then.
SELECT seq FROM punch WHERE journalled_at >= :before AND journalled_at <= :now ORDER BY seq LIMIT 1;

-- name: fates
-- Old punches, and why each must stay, or that it may go. incoming: by device, the last place of what is on it
-- no more. CROSS JOIN destination: an outbox is found by both its columns.
-- A punch that no dashboard ever had stays: nobody else has it.
SELECT punch.seq, punch.device,
       CASE
       WHEN EXISTS (SELECT 1 FROM destination CROSS JOIN outbox
                    WHERE outbox.destination = destination.id AND outbox.punch = punch.seq
                      AND outbox.state NOT IN ('confirmed', 'discarded', 'held'))
         OR EXISTS (SELECT 1 FROM request CROSS JOIN carried
                    WHERE carried.request = request.id AND carried.punch = punch.seq)
         OR NOT EXISTS (SELECT 1 FROM destination CROSS JOIN outbox
                        WHERE outbox.destination = destination.id AND outbox.punch = punch.seq)
       THEN 'undelivered'
       WHEN EXISTS (SELECT 1 FROM destination CROSS JOIN outbox
                    WHERE outbox.destination = destination.id AND outbox.punch = punch.seq
                      AND outbox.state = 'held')
       THEN 'held'
       WHEN punch.nth > 1 OR EXISTS (SELECT 1 FROM punch AS other WHERE other.first_id = punch.id)
       THEN 'same_second'
       WHEN incoming.value IS NULL OR punch.seq > incoming.value
       THEN 'on_device'
       ELSE 'removable'
       END
FROM punch LEFT JOIN incoming ON incoming.place = punch.device
WHERE punch.seq > :after AND punch.seq < :young AND punch.journalled_at < :before
ORDER BY punch.seq LIMIT :limit;

-- name: remove_from_outboxes
DELETE FROM outbox
WHERE destination IN (SELECT id FROM destination) AND punch IN (SELECT value FROM incoming);

-- name: remove_lines
DELETE FROM push_line WHERE punch IN (SELECT value FROM incoming);

-- name: remove_punches
DELETE FROM punch WHERE seq IN (SELECT value FROM incoming);

-- name: remove_forms
-- Of punches that were removed. It walks all forms of a device, once after the last page.
DELETE FROM form WHERE device = :device AND NOT EXISTS (SELECT 1 FROM punch WHERE punch.seq = form.punch);

-- --- devices that push ---

-- name: stamps
SELECT push_table.name, push_table.stamp FROM push_table JOIN device ON device.id = push_table.device
WHERE device.key = :key AND push_table.stamp IS NOT NULL;

-- name: last_batch
SELECT push_table.digest, push_table.skews FROM push_table JOIN device ON device.id = push_table.device
WHERE device.key = :key AND push_table.name = :name;

-- name: last_pushed
-- The last punch of the last batch that had any.
SELECT push_table.last_time, push_table.last_fold
FROM push_table JOIN device ON device.id = push_table.device
WHERE device.key = :key AND push_table.last_time IS NOT NULL
ORDER BY push_table.turn DESC LIMIT 1;

-- name: keep_batch
-- A batch without a stamp, a punch or one that came at once leaves the last of these.
INSERT INTO push_table (device, name, stamp, digest, last_time, last_fold, skews, committed_at, turn)
VALUES ((SELECT id FROM device WHERE key = :key), :name, :stamp, :digest, :last_time, :last_fold, :skews, :now,
        (SELECT coalesce(max(turn), 0) + 1 FROM push_table
         WHERE device = (SELECT id FROM device WHERE key = :key)))
ON CONFLICT (device, name) DO UPDATE
SET stamp = coalesce(excluded.stamp, push_table.stamp), digest = excluded.digest,
    last_time = coalesce(excluded.last_time, push_table.last_time),
    last_fold = coalesce(excluded.last_fold, push_table.last_fold),
    skews = coalesce(excluded.skews, push_table.skews), committed_at = excluded.committed_at,
    turn = excluded.turn;

-- name: keep_stamp
-- Of a table of which nothing is kept.
INSERT INTO push_table (device, name, stamp, turn)
VALUES ((SELECT id FROM device WHERE key = :key), :name, :stamp, 0)
ON CONFLICT (device, name) DO UPDATE SET stamp = excluded.stamp;

-- name: add_contact
-- What a call did not show stays as it was. The last one written stands, whatever a clock said before.
INSERT INTO push_device (device, first_call_at, last_call_at, address, dialect, zone_told, registry_code, model,
                         firmware, platform, push_version, users, records, told_at, replays, door_events)
VALUES ((SELECT id FROM device WHERE key = :key), :first_at, :last_at, :address, :dialect, :zone_told,
        :registry_code, :model, :firmware, :platform, :push_version, :users, :records, :told_at, :replays,
        :door_events)
ON CONFLICT (device) DO UPDATE
SET last_call_at = excluded.last_call_at, address = excluded.address,
    dialect = coalesce(excluded.dialect, push_device.dialect),
    zone_told = coalesce(excluded.zone_told, push_device.zone_told),
    registry_code = coalesce(excluded.registry_code, push_device.registry_code),
    model = coalesce(excluded.model, push_device.model),
    firmware = coalesce(excluded.firmware, push_device.firmware),
    platform = coalesce(excluded.platform, push_device.platform),
    push_version = coalesce(excluded.push_version, push_device.push_version),
    users = coalesce(excluded.users, push_device.users),
    records = coalesce(excluded.records, push_device.records),
    told_at = coalesce(excluded.told_at, push_device.told_at),
    replays = push_device.replays + excluded.replays,
    door_events = push_device.door_events + excluded.door_events;

-- name: try_to_write
-- Changes nothing, and goes to the disk all the same.
UPDATE device SET met_at = met_at WHERE id = (SELECT min(id) FROM device);

-- name: registry_code
SELECT push_device.registry_code FROM push_device JOIN device ON device.id = push_device.device
WHERE device.key = :key;

-- name: push_standings
-- A terminal that calls in the name of a device, and is another one, comes behind that.
SELECT coalesce(device.name, device.seen_as), device.id, device.key, push_device.first_call_at,
       push_device.last_call_at, push_device.address, push_device.dialect, push_device.zone_told,
       push_device.registry_code, push_device.replays, push_device.door_events, push_device.model,
       push_device.firmware, push_device.platform, push_device.push_version, push_device.users,
       push_device.records, push_device.told_at, push_device.gap_since, push_device.gap_asked_at,
       push_device.gap_told, device.name IS NULL
FROM push_device JOIN device ON device.id = push_device.device
WHERE coalesce(device.name, device.seen_as) IS NOT NULL
ORDER BY CASE WHEN device.name IS NULL THEN 1 ELSE 0 END, device.name;

-- name: push_batches
-- Of each device the last one comes last.
SELECT device, committed_at, skews FROM push_table WHERE committed_at IS NOT NULL ORDER BY turn;

-- name: held_of_device
-- Punches by whatever door, and lines in quarantine.
SELECT (SELECT count(DISTINCT form.punch) FROM form WHERE form.device = device.id)
       + (SELECT count(*) FROM quarantine
          WHERE quarantine.device = device.id AND substr(quarantine.raw, 1, 5) = :pushed)
FROM device WHERE device.key = :key;

-- name: not_pushed
-- Punches that were journalled after one and that push did not show, of a device that pushed before and still
-- calls.
SELECT count(*) FROM punch JOIN device ON device.id = punch.device
WHERE device.key = :key AND punch.seq > :after AND substr(punch.timestamp, 1, 19) <= :until
  AND (punch.kinds & :kind) = 0
  AND EXISTS (SELECT 1 FROM push_table
              WHERE push_table.device = device.id AND push_table.committed_at IS NOT NULL)
  AND EXISTS (SELECT 1 FROM push_device
              WHERE push_device.device = device.id AND push_device.last_call_at >= :called_since);

-- name: gap
SELECT push_device.gap_since, push_device.gap_asked_at, push_device.gap_told
FROM push_device JOIN device ON device.id = push_device.device
WHERE device.key = :key;

-- name: keep_gap
UPDATE push_device SET gap_since = :since, gap_asked_at = :asked_at, gap_told = :told
WHERE device = (SELECT id FROM device WHERE key = :key);

-- name: queue_command
-- Unless one of the same words waits already.
INSERT INTO push_command (device, id, text, kind, queued_at)
SELECT device.id, :id, :text, :kind, :now FROM device
WHERE device.key = :key AND NOT EXISTS (
    SELECT 1 FROM push_command
    WHERE push_command.device = device.id AND push_command.settled_at IS NULL AND push_command.text = :text
);

-- name: commands
-- The oldest first.
SELECT push_command.id, push_command.text, push_command.kind, push_command.queued_at, push_command.offered_at,
       push_command.offers, push_command.settled_at, push_command.return_code
FROM push_command JOIN device ON device.id = push_command.device
WHERE device.key = :key ORDER BY push_command.place;

-- name: all_commands
-- The oldest of each device first.
SELECT device.key, push_command.id, push_command.text, push_command.kind, push_command.queued_at,
       push_command.offered_at, push_command.offers, push_command.settled_at, push_command.return_code
FROM push_command JOIN device ON device.id = push_command.device ORDER BY push_command.place;

-- name: waiting_commands
SELECT device.key, push_command.id, push_command.text, push_command.kind, push_command.queued_at,
       push_command.offered_at, push_command.offers, push_command.settled_at, push_command.return_code
FROM push_command JOIN device ON device.id = push_command.device
WHERE push_command.settled_at IS NULL ORDER BY push_command.place;

-- name: offer_command
UPDATE push_command SET offers = offers + 1, offered_at = :now
WHERE id = :id AND settled_at IS NULL AND device = (SELECT id FROM device WHERE key = :key);

-- name: settle_command
UPDATE push_command SET settled_at = :now, return_code = :code
WHERE id = :id AND settled_at IS NULL AND device = (SELECT id FROM device WHERE key = :key);

-- name: forget_commands
DELETE FROM push_command
WHERE settled_at IS NOT NULL AND device = (SELECT id FROM device WHERE key = :key) AND place NOT IN (
    SELECT place FROM push_command
    WHERE settled_at IS NOT NULL AND device = (SELECT id FROM device WHERE key = :key)
    ORDER BY place DESC LIMIT :kept
);

-- --- callers that may not push ---

-- name: note_caller
INSERT INTO refused_caller (serial, reason, first_at, last_at, requests, address, push_version, device_type, path,
                            turn)
VALUES (:serial, :reason, :first_at, :last_at, :requests, :address, :push_version, :device_type, :path,
        (SELECT coalesce(max(turn), 0) + 1 FROM refused_caller))
ON CONFLICT (serial) DO UPDATE
SET reason = excluded.reason, last_at = excluded.last_at, requests = refused_caller.requests + excluded.requests,
    address = excluded.address, push_version = excluded.push_version, device_type = excluded.device_type,
    path = excluded.path, turn = excluded.turn;

-- name: forget_least_recent
DELETE FROM refused_caller
WHERE serial <> :nameless AND serial NOT IN (
    SELECT serial FROM refused_caller WHERE serial <> :nameless ORDER BY turn DESC LIMIT :kept
);

-- name: refused_callers
-- The last one first.
SELECT serial, reason, first_at, last_at, requests, address, push_version, device_type, path
FROM refused_caller ORDER BY turn DESC;

-- name: forget_callers
DELETE FROM refused_caller;
