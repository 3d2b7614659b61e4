-- Every statement of the journal. `-- name:` starts one; parameters are named; a truth is 0 or 1. `incoming` is a
-- table of the values that a statement is run over: (place, value). What they are is said in front.

-- name: device_by_name
SELECT id, key FROM device WHERE name = :name;

-- name: device_by_key
SELECT id, coalesce(name, seen_as), read_at, held FROM device WHERE key = :key;

-- name: whose_key
-- The name of the device with a key, and the one at whose address it answers as a stranger.
SELECT name, seen_as FROM device WHERE key = :key;

-- name: names_by_key
SELECT key, name FROM device WHERE name IS NOT NULL;

-- name: meet_device
-- A device that got another name in the inventory keeps its key, and all its punches.
INSERT INTO device (key, name, met_at) VALUES (:key, :name, :now)
ON CONFLICT (key) DO UPDATE
SET name = excluded.name, last_name = CASE WHEN device.name <> excluded.name THEN device.name ELSE device.last_name END
RETURNING id, held;

-- name: met_already
-- A device that is known by its name, belongs there, and nobody else answers in its place.
SELECT 1 FROM device
WHERE key = :key AND name = :name AND held = 0
  AND NOT EXISTS (SELECT 1 FROM device AS stranger WHERE stranger.seen_as = :name);

-- name: renamed
SELECT last_name, name FROM device WHERE last_name <> name;

-- name: meet_device_of_rows
-- A terminal that only a database knows, until it is met itself.
INSERT INTO device (key, met_at) VALUES (:key, :now)
ON CONFLICT (key) DO NOTHING;

-- name: meet_stranger
-- A terminal that answers where another one belongs. One that was nobody's until now is met only now.
INSERT INTO device (key, seen_as, held, met_at) VALUES (:key, :name, 1, :now)
ON CONFLICT (key) DO UPDATE
SET seen_as = excluded.seen_as, held = 1,
    met_at = CASE WHEN device.held = 0 AND device.name IS NULL THEN excluded.met_at ELSE device.met_at END;

-- name: answered_in_turn
-- Whether a device was read after a stranger, which belongs nowhere, was met.
SELECT EXISTS (
    SELECT 1 FROM device AS stranger JOIN device ON device.name = :name
    WHERE stranger.key = :key AND stranger.held = 1 AND stranger.name IS NULL AND device.read_at > stranger.met_at
);

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
SELECT seq, user_id, timestamp, kinds, state, source FROM punch
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

-- name: count_discarded_of_device
-- Before they are discarded.
UPDATE destination
SET discarded = discarded + (SELECT count(*) FROM outbox CROSS JOIN punch
                             WHERE outbox.destination = destination.id AND outbox.state = 'held'
                               AND outbox.reason = 'another terminal'
                               AND punch.seq = outbox.punch AND punch.device = :device);

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

-- name: key_of_alias
SELECT device.key FROM alias JOIN device ON device.id = alias.device WHERE alias.serial = :serial;

-- name: add_alias
INSERT INTO alias (serial, device) SELECT :serial, id FROM device WHERE name = :name
ON CONFLICT (serial) DO UPDATE SET device = excluded.device;

-- name: rename_device
UPDATE device SET name = :new WHERE name = :old;

-- name: rename_stranger
-- Who answers where it belongs, unless somebody answers at the new name already.
UPDATE device SET seen_as = :new
WHERE seen_as = :old AND NOT EXISTS (SELECT 1 FROM device WHERE seen_as = :new);

-- name: rename_retired
-- Terminals that had the name before another one took their place.
UPDATE device SET last_name = :new WHERE last_name = :old;

-- name: rename_condition
UPDATE condition SET subject = :new
WHERE subject = :old AND NOT EXISTS (SELECT 1 FROM condition WHERE subject = :new);

-- name: rename_untold
UPDATE untold SET subject = :new
WHERE subject = :old AND text NOT IN (SELECT text FROM untold WHERE subject = :new);

-- name: forget_untold
DELETE FROM untold WHERE subject = :subject;

-- name: rename_database
UPDATE database SET name = :new WHERE name = :old;

-- name: database_by_name
SELECT id, address FROM database WHERE name = :name;

-- name: rename_dashboard
UPDATE destination SET name = :new WHERE name = :old;

-- name: dashboard_by_name
SELECT name, id FROM destination WHERE name = :name;

-- name: move_outbox
-- What only the other one had. Where both have a punch, that of the one that stays is nearer to the truth.
UPDATE outbox SET destination = :new
WHERE destination = :old AND punch NOT IN (SELECT punch FROM outbox WHERE destination = :new);

-- name: forget_outbox
DELETE FROM outbox WHERE destination = :destination;

-- name: move_requests
UPDATE request SET destination = :new WHERE destination = :old;

-- name: move_beginning
-- It gets all that the other one was to get.
UPDATE destination SET after = (SELECT other.after FROM destination AS other WHERE other.id = :old)
WHERE id = :new AND after > (SELECT other.after FROM destination AS other WHERE other.id = :old);

-- name: keep_joined_counts
-- What was counted anew once two dashboards are one.
UPDATE destination
SET due = :due, confirmed = :confirmed, discarded = :discarded,
    confirmed_at = (SELECT max(joined.confirmed_at) FROM destination AS joined WHERE joined.id IN (:old, :new))
WHERE id = :new;

-- name: forget_destination
DELETE FROM destination WHERE id = :destination;

-- name: note_reading
UPDATE device
SET read_at = :now, on_device = :on_device, capacity = :capacity, drift = :drift,
    complete_until = :complete_until,
    largest_log = (SELECT max(size) FROM (SELECT device.largest_log AS size
                                          UNION ALL SELECT CAST(:capacity AS BIGINT)
                                          UNION ALL SELECT CAST(:on_device AS BIGINT)) AS sizes
                   WHERE device.largest_log > 0 OR :capacity > 0),
    whole_at = CASE WHEN :whole = 1 OR whole_at IS NULL THEN :now ELSE whole_at END
WHERE key = :key;

-- name: last_reading
SELECT key, read_at, on_device, capacity FROM device WHERE name = :name AND read_at IS NOT NULL;

-- name: last_readings
SELECT name, key, read_at, on_device, capacity FROM device WHERE name IS NOT NULL AND read_at IS NOT NULL;

-- name: newest_reading
-- Of a device that is in use; what was read last before it left is never read again.
SELECT max(read_at) FROM device
WHERE name IS NOT NULL AND (CAST(:until AS TEXT) IS NULL OR read_at <= :until);

-- name: meet_destination
-- A new dashboard gets what is journalled from now on, and so does one that was given up and is back.
INSERT INTO destination (name, after) VALUES (:name, (SELECT coalesce(max(seq), 0) FROM punch))
ON CONFLICT (name) DO UPDATE
SET after = CASE WHEN destination.given_up_since IS NULL THEN destination.after ELSE excluded.after END,
    given_up_since = NULL
RETURNING id;

-- name: destination_met
-- One that gets punches.
SELECT id FROM destination WHERE name = :name AND given_up_since IS NULL;

-- name: last_journalled
SELECT journalled_at FROM punch ORDER BY seq DESC LIMIT 1;

-- name: last_punch
SELECT coalesce(max(seq), 0) FROM punch;

-- name: known_bytes
-- incoming: bytes
-- How often each is known as a punch, and of which: the first, and the last journalled. CROSS JOIN: take the few
-- incoming values one by one, never the whole journal.
SELECT incoming.place, count(*), max(form.occurrence), min(form.punch), max(form.punch)
FROM incoming CROSS JOIN form
WHERE form.device = :device AND form.bytes = incoming.value
GROUP BY incoming.place;

-- name: punches_of_second
-- incoming: texts
-- Given the id of the first punch of a user and second, that punch and the further ones; each half has its own
-- index.
SELECT incoming.place, punch.seq, punch.kinds, punch.nth, punch.hold, punch.source, punch.verify,
       punch.state, punch.work_code
FROM incoming CROSS JOIN punch
WHERE punch.id = incoming.value AND punch.nth = 1
UNION ALL
SELECT incoming.place, punch.seq, punch.kinds, punch.nth, punch.hold, punch.source, punch.verify,
       punch.state, punch.work_code
FROM incoming CROSS JOIN punch
WHERE punch.first_id = incoming.value;

-- name: punches_by_id
-- incoming: texts
SELECT punch.seq FROM incoming CROSS JOIN punch WHERE punch.id = incoming.value;

-- name: nth_of_second
-- incoming: numbers
SELECT incoming.place, punch.nth FROM incoming CROSS JOIN punch WHERE punch.seq = incoming.value;

-- name: add_punch
INSERT INTO punch (id, nth, first_id, device, device_name, user_id, timestamp, verify, state, work_code,
                   clock_suspect, kinds, source, hold, manual, journalled_at)
VALUES (:id, :nth, :first_id, :device, :device_name, :user_id, :timestamp, :verify, :state, :work_code,
        :clock_suspect, :kinds, :source, :hold, :manual, :now)
RETURNING seq;

-- name: add_form
INSERT INTO form (device, bytes, occurrence, punch) VALUES (:device, :bytes, :occurrence, :punch);

-- name: add_line
INSERT INTO push_line (punch, rest) VALUES (:punch, :rest) ON CONFLICT (punch) DO NOTHING;

-- name: add_kind
UPDATE punch SET kinds = kinds | :kind WHERE seq = :punch;

-- name: add_shown
-- Punches that no door of the device itself had shown.
UPDATE device SET shown = shown + :more WHERE id = :device;

-- name: recount_shown
-- What a walk finds: by the bytes that are here, and by what is kept of pruned ones. 63: all kinds but rows.
UPDATE device
SET shown = (SELECT count(*) FROM (
    SELECT form.punch FROM form
    WHERE form.device = device.id AND substr(form.bytes, 1, 3) <> :bridged
    UNION
    SELECT forgotten_form.punch
    FROM forgotten_form JOIN forgotten_punch ON forgotten_punch.punch = forgotten_form.punch
    WHERE forgotten_form.device = device.id AND (forgotten_punch.kinds & 63) <> 0
) AS told)
WHERE id = :device;

-- name: last_kept
-- incoming: texts
-- CROSS JOIN for the same reason.
SELECT incoming.place, last_kept.state, last_kept.timestamp
FROM incoming CROSS JOIN last_kept
WHERE last_kept.device = :device AND last_kept.user_id = incoming.value;

-- name: keep_last
INSERT INTO last_kept (device, user_id, state, timestamp) VALUES (:device, :user_id, :state, :timestamp)
ON CONFLICT (device, user_id, state) DO UPDATE SET timestamp = excluded.timestamp;

-- name: add_to_outbox
-- Every punch from one place to another goes to every destination the journal knows, also to one that left the
-- inventory for a while. One that shares its second or its bytes waits for a person, and so does a stranger's
-- (:held), and what the settings hold. CROSS JOIN: the few punches first.
INSERT INTO outbox (destination, punch, state, reason, changed_at)
SELECT destination.id, punch.seq,
       CASE WHEN coalesce(:held, punch.hold) IS NOT NULL THEN 'held' ELSE 'pending' END,
       CASE WHEN punch.hold IN ('same second', 'exact repeat') THEN punch.hold
            ELSE coalesce(:held, punch.hold) END,
       :now
FROM punch CROSS JOIN destination
WHERE punch.seq BETWEEN :first AND :last AND destination.given_up_since IS NULL;

-- name: count_due
-- New punches, for each dashboard that gets them: counted as they were journalled, and not by their places, so
-- that one without a place is missed.
UPDATE destination SET due = due + :number WHERE given_up_since IS NULL;

-- name: add_to_quarantine
INSERT INTO quarantine (device, raw, reason, quarantined_at) VALUES (:device, :raw, :reason, :now)
ON CONFLICT (device, raw) DO NOTHING;

-- name: beside_punches
-- Whether any record of a device is in quarantine, and whether any punch of it was pruned.
SELECT CASE WHEN EXISTS (SELECT 1 FROM quarantine WHERE device = :device) THEN 1 ELSE 0 END,
       CASE WHEN EXISTS (SELECT 1 FROM device WHERE id = :device AND pruned_at IS NOT NULL) THEN 1 ELSE 0 END;

-- name: nobodys_records
-- incoming: bytes
-- Those of which a person has to say whose they are.
SELECT incoming.place FROM incoming CROSS JOIN quarantine
WHERE quarantine.device = :device AND quarantine.raw = incoming.value
  AND quarantine.reason IN (:nobodys, :anothers);

-- name: to_be_judged
-- All of a device that a reading found impossible, but for those.
SELECT quarantine.raw FROM device CROSS JOIN quarantine
WHERE device.key = :key AND quarantine.device = device.id AND substr(quarantine.raw, 1, 5) <> :pushed
  AND quarantine.reason NOT IN (:nobodys, :anothers);

-- name: people_of_bytes
-- Whose punches are shown by bytes of a width, from some bytes up to others.
SELECT DISTINCT punch.user_id FROM device CROSS JOIN form CROSS JOIN punch
WHERE device.key = :key AND form.device = device.id AND form.bytes >= :first AND form.bytes < :last
  AND length(form.bytes) = :width AND punch.seq = form.punch;

-- name: judge_quarantined
UPDATE quarantine SET reason = :reason
WHERE raw = :raw AND device = (SELECT id FROM device WHERE key = :key);

-- name: leave_quarantine
-- incoming: bytes
DELETE FROM quarantine WHERE device = :device AND raw IN (SELECT value FROM incoming);

-- name: assign
-- incoming: bytes
-- A person said whose punches these bytes show.
INSERT INTO assignment (punch, slot, person, assigned_at)
SELECT form.punch, :slot, :person, :now FROM incoming CROSS JOIN form
WHERE form.device = :device AND form.bytes = incoming.value AND form.occurrence = 1
ON CONFLICT (punch) DO NOTHING;

-- name: quarantined_records
-- incoming: bytes
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

-- name: tail
SELECT layout, tail FROM watermark WHERE device = :device;

-- name: set_tail
UPDATE watermark SET tail = :tail WHERE device = :device;

-- name: forget_watermark
DELETE FROM watermark WHERE device = :device;

-- name: end_of_log
UPDATE watermark SET all_read = 1, whole_before = NULL, whole_seen = NULL
WHERE (all_read = 0 OR whole_before IS NOT NULL) AND device = (SELECT id FROM device WHERE key = :key);

-- name: requests
-- What a destination was sent and did not answer for, the oldest first.
SELECT id, began_at, punches, places, method, key, body FROM request
WHERE destination = :destination ORDER BY id;

-- name: carried
-- incoming: numbers
-- incoming: the places of punches of such a request. In whatever state they are by now: a person may have decided
-- meanwhile.
SELECT outbox.state, punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect, punch.manual
FROM incoming CROSS JOIN punch CROSS JOIN device
LEFT JOIN outbox ON outbox.destination = :destination AND outbox.punch = punch.seq
WHERE punch.seq = incoming.value AND device.id = punch.device
ORDER BY punch.seq;

-- name: carried_by
SELECT punches, places FROM request WHERE id = :request;

-- name: pending
-- incoming: numbers
-- Oldest first: as many places as are asked for, by their index alone, then their punches. Those from :first to
-- :last are decided on, and that is written with the next request. incoming: the devices meant, unless :all are.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual
FROM (SELECT punch FROM outbox
      WHERE destination = :destination AND state = 'pending' AND punch > :after
        AND punch NOT BETWEEN :first AND :last
        AND (:all = 1 OR (SELECT device FROM punch WHERE seq = outbox.punch) IN (SELECT value FROM incoming))
      ORDER BY punch LIMIT :limit) AS waiting
CROSS JOIN punch CROSS JOIN device
WHERE punch.seq = waiting.punch AND device.id = punch.device
ORDER BY waiting.punch;

-- name: owed_anything
SELECT 1 FROM destination
WHERE id = :destination
  AND (halted IS NOT NULL
       OR EXISTS (SELECT 1 FROM request WHERE request.destination = destination.id)
       OR EXISTS (SELECT 1 FROM outbox
                  WHERE outbox.destination = destination.id AND outbox.state = 'pending')
       OR EXISTS (SELECT 1 FROM outbox
                  WHERE outbox.destination = destination.id AND outbox.state = 'parked'));

-- name: keys_of_devices
SELECT id, key FROM device;

-- name: newest_of_people
-- incoming: numbers
-- One pending punch of each person at each device, the devices in turn, newest first: those of one device may all
-- be at fault, and the newest of all. It walks all that is pending, which is for runs in trouble.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual
FROM (SELECT max(outbox.punch) AS newest,
             row_number() OVER (PARTITION BY punch.device ORDER BY max(outbox.punch) DESC) AS turn
      FROM outbox JOIN punch ON punch.seq = outbox.punch
      WHERE outbox.destination = :destination AND outbox.state = 'pending'
        AND (:all = 1 OR punch.device IN (SELECT value FROM incoming))
      GROUP BY punch.device, punch.user_id
      ORDER BY turn, newest DESC LIMIT :limit) AS people
JOIN punch ON punch.seq = people.newest
JOIN device ON device.id = punch.device
ORDER BY people.turn, punch.seq DESC;

-- name: parked
-- incoming: numbers
-- Those that were tried before :before, and those tried in a time to come: this host's clock was wrong then.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual
FROM outbox
JOIN punch ON punch.seq = outbox.punch
JOIN device ON device.id = punch.device
WHERE outbox.destination = :destination AND outbox.state = 'parked' AND outbox.punch > :after
  AND (outbox.tried_at IS NULL OR outbox.tried_at < :before OR outbox.tried_at > :now)
  AND (:all = 1 OR punch.device IN (SELECT value FROM incoming))
ORDER BY outbox.punch
LIMIT :limit;

-- name: add_request
INSERT INTO request (destination, began_at, punches, first, last, places, method, key, body)
VALUES (:destination, :now, :punches, :first, :last, :places, :method, :key, :body)
RETURNING id;

-- name: places_between
-- How many have a place in the outbox, in a state there is: whoever finds fewer than they know has found damage.
SELECT count(*) FROM outbox
WHERE destination = :destination AND punch BETWEEN :first AND :last
  AND state IN ('pending', 'confirmed', 'parked', 'held', 'discarded');

-- name: shrink_request
UPDATE request SET first = :first, last = :last, places = :places WHERE id = :request;

-- name: forget_request
DELETE FROM request WHERE id = :request;

-- name: forget_requests
DELETE FROM request WHERE destination = :destination;

-- name: confirm
UPDATE outbox SET state = 'confirmed', reason = NULL, tried_at = NULL, changed_at = :now
WHERE destination = :destination AND punch BETWEEN :first AND :last AND state IN ('pending', 'parked');

-- name: count_confirmed
-- In the transaction that confirmed them. The count is there for whoever looks: to walk all that was ever
-- confirmed takes longer from year to year.
UPDATE destination SET confirmed = confirmed + :number, confirmed_at = :now WHERE id = :destination;

-- name: states
-- incoming: numbers
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

-- name: failed_runs
SELECT failed_runs FROM destination WHERE id = :destination;

-- name: remember_failed_runs
UPDATE destination SET failed_runs = :runs WHERE id = :destination;

-- name: halt
UPDATE destination SET halted = :words WHERE id = :destination;

-- name: counts
-- Both sides of the journal sum in one statement, so that no other process journals in between. What is due, and
-- what is settled, was counted as it came to be so: nobody walks it. What waits is counted by its indexes; then
-- once more by the places that these lead to, which say otherwise where the file is damaged. FILTER, as a
-- condition would have the index answer for its places.
SELECT destination.due,
       (SELECT count(*) FROM outbox WHERE outbox.destination = destination.id AND outbox.state = 'pending'),
       destination.confirmed,
       (SELECT count(*) FROM outbox WHERE outbox.destination = destination.id AND outbox.state = 'parked'),
       (SELECT count(*) FROM outbox WHERE outbox.destination = destination.id AND outbox.state = 'held'),
       destination.discarded,
       (SELECT count(*) FILTER (WHERE place.state = 'pending') FROM outbox CROSS JOIN outbox AS place
        WHERE outbox.destination = destination.id AND outbox.state = 'pending'
          AND place.destination = outbox.destination AND place.punch = outbox.punch),
       (SELECT count(*) FILTER (WHERE place.state = 'parked') FROM outbox CROSS JOIN outbox AS place
        WHERE outbox.destination = destination.id AND outbox.state = 'parked'
          AND place.destination = outbox.destination AND place.punch = outbox.punch),
       (SELECT count(*) FILTER (WHERE place.state = 'held') FROM outbox CROSS JOIN outbox AS place
        WHERE outbox.destination = destination.id AND outbox.state = 'held'
          AND place.destination = outbox.destination AND place.punch = outbox.punch)
FROM destination WHERE destination.id = :destination;

-- name: recount
-- The same by walking all of it, beside what was counted as it came. What was journalled before a dashboard was
-- met, or while it was given up, counts where it has a place. One pass each: a GROUP BY would sort the outbox.
SELECT (SELECT count(*) FROM destination CROSS JOIN punch
        WHERE destination.id = :destination AND destination.given_up_since IS NULL
          AND punch.seq > destination.after)
       + (SELECT count(*) FROM destination CROSS JOIN outbox
          WHERE destination.id = :destination AND outbox.destination = destination.id
            AND (outbox.punch <= destination.after OR destination.given_up_since IS NOT NULL)),
       count(*) FILTER (WHERE state = 'pending'),
       count(*) FILTER (WHERE state = 'confirmed'),
       count(*) FILTER (WHERE state = 'parked'),
       count(*) FILTER (WHERE state = 'held'),
       count(*) FILTER (WHERE state = 'discarded'),
       (SELECT count(*) FROM outbox WHERE destination = :destination AND state = 'pending'),
       (SELECT count(*) FROM outbox WHERE destination = :destination AND state = 'parked'),
       (SELECT count(*) FROM outbox WHERE destination = :destination AND state = 'held'),
       (SELECT due FROM destination WHERE id = :destination),
       (SELECT confirmed FROM destination WHERE id = :destination),
       (SELECT discarded FROM destination WHERE id = :destination)
FROM outbox WHERE destination = :destination;

-- name: waiting_by_destination
SELECT name, (SELECT count(*) FROM outbox
              WHERE outbox.destination = destination.id AND outbox.state = 'pending')
FROM destination ORDER BY name;

-- name: backlogs
-- What waits for each dashboard that gets punches, and since when the oldest does: as it goes out, not as it
-- was journalled, or each backfill would be an old backlog.
SELECT id, name,
       (SELECT count(*) FROM outbox WHERE outbox.destination = destination.id AND outbox.state = 'pending'),
       (SELECT place.changed_at FROM outbox AS place
        WHERE place.destination = destination.id
          AND place.punch = (SELECT min(outbox.punch) FROM outbox
                             WHERE outbox.destination = destination.id AND outbox.state = 'pending'))
FROM destination WHERE given_up_since IS NULL ORDER BY name;

-- name: backlog_points
SELECT destination, at, pending FROM backlog;

-- name: note_backlog
INSERT INTO backlog (destination, at, pending) VALUES (:destination, :at, :pending)
ON CONFLICT (destination, at) DO UPDATE SET pending = excluded.pending;

-- name: forget_backlog
DELETE FROM backlog WHERE destination = :destination;

-- name: forget_backlog_points
-- What is too old to compare with, and what a wrong clock has stamped.
DELETE FROM backlog WHERE at < :first OR at > :last;

-- name: course
SELECT destination.name, course.at, course.pending, course.confirmed
FROM course JOIN destination ON destination.id = course.destination
ORDER BY destination.name, course.at;

-- name: confirmed_ever
-- By each dashboard, what is pruned by now included.
SELECT name, confirmed + removed FROM destination ORDER BY name;

-- name: without_point
-- Dashboards that get punches, and of which nothing was noted in a span of time.
SELECT id FROM destination
WHERE given_up_since IS NULL
  AND NOT EXISTS (SELECT 1 FROM course
                  WHERE course.destination = destination.id AND course.at BETWEEN :since AND :now);

-- name: note_course
INSERT INTO course (destination, at, pending, confirmed)
SELECT id, :now,
       (SELECT count(*) FROM outbox WHERE outbox.destination = destination.id AND outbox.state = 'pending'),
       confirmed + removed
FROM destination WHERE id = :destination
ON CONFLICT (destination, at) DO NOTHING;

-- name: forget_points_of_course
-- What is older than a day, and what a wrong clock has stamped.
DELETE FROM course WHERE at < :first OR at > :last;

-- name: forget_course
DELETE FROM course WHERE destination = :destination;

-- name: give_up
-- A dashboard that left the inventory for good: it gets nothing any more.
UPDATE destination SET given_up_since = :now WHERE name = :name;

-- name: oldest_pending
SELECT journalled_at FROM punch
WHERE seq = (SELECT punch FROM outbox
             WHERE destination = :destination AND state = 'pending'
             ORDER BY punch LIMIT 1);

-- name: kept_answer
SELECT answer, answered_at FROM destination WHERE id = :destination AND answer_to = :asked;

-- name: keep_answer
UPDATE destination SET answer = :answer, answered_at = :now, answer_to = :asked WHERE id = :destination;

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
      SELECT place.punch, place.state FROM outbox CROSS JOIN outbox AS place
      WHERE outbox.destination = :destination AND outbox.state = 'held'
        AND place.destination = outbox.destination AND place.punch = outbox.punch
        AND place.reason = 'another terminal') AS waiting
JOIN punch ON punch.seq = waiting.punch
JOIN device ON device.id = punch.device
GROUP BY coalesce(device.name, device.last_name, punch.device_name), waiting.state, substr(punch.timestamp, 20);

-- name: waiting_in_quarantine
-- How many records of each device nobody has accepted, and by whom a person can accept them: its name.
SELECT device.name, count(*) FROM quarantine JOIN device ON device.id = quarantine.device
WHERE quarantine.accepted_at IS NULL AND device.name IS NOT NULL
GROUP BY device.name;

-- name: waiting_aside
-- How many rows nobody has accepted, of each database that has shown punches of a device. Nobody knows whose
-- they are: they may be that one's. As above, of those that a person can accept.
SELECT device.name, database.name,
       (SELECT count(*) FROM database_row
        WHERE database_row.database = database.id AND database_row.reason IS NOT NULL
          AND database_row.gone_at IS NULL AND database_row.accepted_at IS NULL)
FROM database CROSS JOIN database_device CROSS JOIN device
WHERE database.name IS NOT NULL AND database_device.database = database.id
  AND device.id = database_device.device AND device.name IS NOT NULL
  AND EXISTS (SELECT 1 FROM database_row
              WHERE database_row.database = database.id AND database_row.reason IS NOT NULL
                AND database_row.gone_at IS NULL AND database_row.accepted_at IS NULL);

-- name: first_pending
SELECT punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual
FROM punch JOIN device ON device.id = punch.device
WHERE punch.seq = (SELECT outbox.punch FROM destination CROSS JOIN outbox
                   WHERE destination.name = :name AND outbox.destination = destination.id
                     AND outbox.state = 'pending'
                   ORDER BY outbox.punch LIMIT 1);

-- name: newest_punch
SELECT punch.id, punch.device_name, device.key, punch.user_id, punch.timestamp,
       punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual
FROM punch JOIN device ON device.id = punch.device
ORDER BY punch.seq DESC LIMIT 1;

-- name: conditions
SELECT subject, kind, since, told_at, text, advice, owed FROM condition ORDER BY subject;

-- name: remember_condition
INSERT INTO condition (subject, kind, since, told_at, text, advice, owed)
VALUES (:subject, :kind, :since, :told_at, :text, :advice, :owed)
ON CONFLICT (subject) DO UPDATE
SET kind = excluded.kind, since = excluded.since, told_at = excluded.told_at, text = excluded.text,
    advice = excluded.advice, owed = excluded.owed;

-- name: forget_condition
DELETE FROM condition WHERE subject = :subject;

-- name: owe
INSERT INTO untold (subject, text, found_at) VALUES (:subject, :text, :now)
ON CONFLICT (subject, text) DO NOTHING;

-- name: owed
SELECT subject, text, found_at FROM untold ORDER BY found_at, subject, text;

-- name: strike_owed
DELETE FROM untold WHERE subject = :subject AND text = :text;

-- --- what a person decides ---

-- name: destinations
SELECT name, id FROM destination ORDER BY name;

-- name: outbox_page
-- The next punches in some of the states; each state that has an index of its own is found by it.
SELECT punch FROM outbox
WHERE :parked = 1 AND destination = :destination AND state = 'parked' AND punch > :after
UNION ALL
SELECT punch FROM outbox
WHERE :held = 1 AND destination = :destination AND state = 'held' AND punch > :after
UNION ALL
SELECT punch FROM outbox
WHERE :pending = 1 AND destination = :destination AND state = 'pending' AND punch > :after
UNION ALL
SELECT punch FROM outbox
WHERE :discarded = 1 AND destination = :destination AND state = 'discarded' AND punch > :after
ORDER BY punch LIMIT :limit;

-- name: outbox_rows
-- incoming: numbers
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

-- name: device_names
SELECT name FROM device WHERE name IS NOT NULL;

-- name: names_of_punches
SELECT name FROM punched_name;

-- name: keep_name
INSERT INTO punched_name (name) VALUES (:name) ON CONFLICT (name) DO NOTHING;

-- name: backfill_of
-- incoming: numbers
-- The punches at the incoming places. What a repaired terminal showed under its new serial number before that was
-- known is left out: it is in the journal under its own.
SELECT punch.seq, punch.hold, device.held, outbox.state, outbox.reason, punch.device_name, device.name
FROM incoming CROSS JOIN punch CROSS JOIN device
LEFT JOIN outbox ON outbox.destination = :destination AND outbox.punch = punch.seq
WHERE punch.seq = incoming.value AND device.id = punch.device
  AND NOT EXISTS (SELECT 1 FROM alias WHERE alias.serial = device.key)
ORDER BY incoming.place;

-- name: backfill
INSERT INTO outbox (destination, punch, state, reason, changed_at)
VALUES (:destination, :punch, :state, :reason, :now)
ON CONFLICT (destination, punch) DO UPDATE
SET state = excluded.state, reason = excluded.reason, changed_at = excluded.changed_at
WHERE outbox.state = 'held';

-- name: count_backfilled
-- Those that had no place there.
UPDATE destination SET due = due + :number WHERE id = :destination;

-- name: count_discarded
-- Those that a person discarded; less, where they are to be sent after all.
UPDATE destination SET discarded = discarded + :number WHERE id = :destination;

-- name: resume
UPDATE destination SET halted = NULL WHERE id = :destination;

-- --- clearing a device's log ---

-- name: accept_quarantined
UPDATE quarantine SET accepted_at = :now
WHERE raw = :raw AND accepted_at IS NULL AND device = (SELECT id FROM device WHERE key = :key);

-- name: intent
SELECT since FROM intent WHERE device = (SELECT id FROM device WHERE key = :key);

-- name: strike_intent
DELETE FROM intent WHERE device = :device;

-- name: unsettled
-- incoming: bytes
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
SELECT coalesce(device.name, device.seen_as, device.key), device.key
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

-- name: exported_devices
-- Also databases, and what was exported and never read, of which only the key is known.
SELECT user_export.key, coalesce(device.name, min(database.name), device.last_name)
FROM user_export
LEFT JOIN device ON device.key = user_export.key
LEFT JOIN database ON database.key = user_export.key
GROUP BY user_export.key, device.name, device.last_name ORDER BY user_export.key;

-- name: names_on_device
SELECT user_id, name FROM exported_user WHERE key = :key ORDER BY place;

-- name: punch_of_user
SELECT seq FROM punch WHERE user_id = :user LIMIT 1;

-- name: users_of_punches
-- One look into the index for each, not one walk past all their punches.
WITH RECURSIVE person (user_id) AS (
    SELECT min(user_id) FROM punch
    UNION ALL
    SELECT (SELECT min(punch.user_id) FROM punch WHERE punch.user_id > person.user_id)
    FROM person WHERE person.user_id IS NOT NULL
)
SELECT user_id FROM person WHERE user_id IS NOT NULL;

-- name: places_of_person
SELECT seq FROM punch
WHERE user_id = :user AND substr(timestamp, 1, 10) >= :first AND substr(timestamp, 1, 10) <= :last;

-- name: punches_to_export
-- incoming: texts
-- The next ones in the order of journalling; the incoming values are names of devices.
SELECT punch.seq, punch.journalled_at, punch.id, punch.device_name, device.key, punch.user_id,
       punch.timestamp, punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual
FROM punch CROSS JOIN device
WHERE punch.seq > :after AND device.id = punch.device
  AND (:all = 1 OR punch.device_name IN (SELECT value FROM incoming) OR device.name IN (SELECT value FROM incoming))
ORDER BY punch.seq LIMIT :limit;

-- name: punches_at
-- incoming: numbers
-- Those at the incoming places, with the names that their device has and had.
SELECT punch.seq, punch.journalled_at, punch.id, punch.device_name, device.key, punch.user_id,
       punch.timestamp, punch.verify, punch.state, punch.work_code, punch.source, punch.clock_suspect,
       punch.manual, device.name
FROM incoming CROSS JOIN punch CROSS JOIN device
WHERE punch.seq = incoming.value AND device.id = punch.device
ORDER BY incoming.place;

-- name: states_of_punches
-- incoming: numbers
-- CROSS JOIN: take the few incoming values one by one.
SELECT incoming.place, destination.name, outbox.state, outbox.reason
FROM incoming CROSS JOIN destination CROSS JOIN outbox
WHERE outbox.destination = destination.id AND outbox.punch = incoming.value
ORDER BY incoming.place, destination.name;

-- --- how things stand ---

-- name: note_run
INSERT INTO last_run (one, ended_at) VALUES (1, :now) ON CONFLICT (one) DO UPDATE SET ended_at = excluded.ended_at;

-- name: last_run
SELECT ended_at FROM last_run;

-- name: punched
SELECT device, day, number FROM punched;

-- name: punched_until
SELECT seq, counted_at FROM punched_until;

-- name: forget_punched
DELETE FROM punched;

-- name: note_punched
INSERT INTO punched (device, day, number) VALUES (:device, :day, :number);

-- name: note_punched_until
INSERT INTO punched_until (one, seq, counted_at) VALUES (1, :seq, :now)
ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, counted_at = excluded.counted_at;

-- name: rows_by_day
-- Punches that rows of databases show, by database and day. Each punch counts once for each database.
SELECT database.name, substr(punch.timestamp, 1, 10), count(DISTINCT punch.seq)
FROM punch CROSS JOIN database_row CROSS JOIN database
WHERE punch.seq >= :seq AND (punch.kinds & :bridge) <> 0 AND punch.clock_suspect = 0
  AND database_row.punch = punch.seq AND database.id = database_row.database AND database.name IS NOT NULL
GROUP BY database.name, substr(punch.timestamp, 1, 10);

-- name: device_standings
-- With the terminal, if any, that answers where the device belongs.
SELECT device.id, device.name, device.key, device.met_at, device.read_at, device.whole_at, device.on_device,
       device.capacity, device.drift, device.cleared_at, intent.since, stranger.key, device.per_day
FROM device
LEFT JOIN intent ON intent.device = device.id
LEFT JOIN device AS stranger ON stranger.seen_as = device.name
WHERE device.name IS NOT NULL
ORDER BY device.name;

-- name: quarantined_by_device
SELECT device, count(*) - count(accepted_at), count(accepted_at) FROM quarantine GROUP BY device;

-- name: journalled_from
SELECT journalled_at FROM punch WHERE seq >= :seq ORDER BY seq LIMIT 1;

-- name: punched_by_day
-- Days are those of the device's wall clock, where that can be right. They stand first in GROUP BY, else the
-- planner walks all of an index that begins with device. What only databases have shown fills no log.
SELECT device, substr(timestamp, 1, 10), count(*) FROM punch
WHERE seq BETWEEN :seq AND :last AND kinds <> :bridge AND clock_suspect = 0
GROUP BY substr(timestamp, 1, 10), device;

-- name: rates
SELECT name, per_day, rated_at FROM device WHERE name IS NOT NULL;

-- name: note_rate
UPDATE device SET per_day = :per_day, rated_at = :now WHERE name = :name;

-- name: dashboard_standings
-- Each state is counted by its own index, and looked up one by one: what is confirmed is not walked, and was
-- counted when it came to be so.
SELECT destination.name, destination.halted, destination.confirmed, destination.confirmed_at,
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
-- :day is by the device's wall clock.
SELECT punch.seq, punch.id, punch.device_name, device.key, punch.timestamp, punch.verify, punch.state,
       punch.work_code, punch.source, punch.journalled_at, punch.hold, punch.clock_suspect, device.held,
       push_line.rest, assignment.slot, assignment.person, assignment.assigned_at, punch.manual, punch.kinds
FROM punch CROSS JOIN device
LEFT JOIN push_line ON push_line.punch = punch.seq
LEFT JOIN assignment ON assignment.punch = punch.seq
WHERE punch.user_id = :user AND substr(punch.timestamp, 1, 10) = :day AND device.id = punch.device
ORDER BY punch.timestamp, punch.seq;

-- name: places_of_punch
-- One row for each dashboard; state is NULL where the punch was never meant for it.
SELECT destination.name, outbox.state, outbox.reason, outbox.changed_at, outbox.tried_at
FROM destination
LEFT JOIN outbox ON outbox.destination = destination.id AND outbox.punch = :punch
ORDER BY destination.name;

-- name: requests_around
-- The requests in flight that may carry a punch: which do tells the list of what they carry.
SELECT destination.name, request.places FROM request JOIN destination ON destination.id = request.destination
WHERE :punch BETWEEN request.first AND request.last;

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
-- Every device, or one: when it was last read, when its log was cleared, how many records its log held when it
-- was last read, and the most that it ever told to hold. No punch and no form is looked at.
SELECT device.id, device.key, device.name, device.seen_as, device.read_at, watermark.read_at,
       device.cleared_at, device.cleared_after, device.cleared_quarantined, intent.since, device.on_device,
       watermark.records, push_device.last_call_at, device.largest_log
FROM device
LEFT JOIN watermark ON watermark.device = device.id
LEFT JOIN intent ON intent.device = device.id
LEFT JOIN push_device ON push_device.device = device.id
WHERE CAST(:device AS BIGINT) IS NULL OR device.id = :device
ORDER BY coalesce(device.name, device.key);

-- name: since_cleared
-- How many records of its log the journal has got after its clearing, by their places, as far as it takes to
-- explain what the log held: no clock takes part. Bytes that were known before do not count: perhaps an old log
-- was put back. Nor does what was pushed, or found in a database: that is not what a reading found in the log.
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM punch WHERE device = :device AND in_log = 1 AND seq > :after
            UNION ALL
            SELECT 1 FROM punch
            WHERE device = :device AND in_log = 0 AND seq > :after
              AND kinds & 31 <> 0 AND hold = 'same second' AND clock_suspect = 0
            LIMIT :records) AS shown)
       + (SELECT count(*) FROM quarantine
          WHERE quarantine.device = :device AND substr(quarantine.raw, 1, 5) <> :pushed);

-- name: newest_of_log
-- Behind which the journal has got so many records of a device's log: of its index alone, and never more of it.
SELECT seq FROM punch WHERE device = :device AND in_log = 1 ORDER BY seq DESC LIMIT 1 OFFSET :further;

-- name: first_young
-- What was journalled after one that is not old is not old either, whatever the clock said then.
SELECT seq FROM punch WHERE journalled_at >= :before AND journalled_at <= :now AND seq <= :upto
ORDER BY seq LIMIT 1;

-- name: any_old
-- Whether the first punch of a device behind a place, of those that a reading found or of the others, is old.
SELECT 1 FROM (SELECT journalled_at FROM punch
               WHERE device = :device AND in_log = :in_log AND seq > :after ORDER BY seq LIMIT 1) AS first
WHERE first.journalled_at < :before;

-- name: fates
-- Old punches of a device that are on it no more, and why each must stay, or that it may go. CROSS JOIN
-- destination: an outbox is found by both its columns.
-- A punch that no dashboard ever had stays: nobody else has it.
SELECT punch.seq,
       CASE
       WHEN EXISTS (SELECT 1 FROM destination CROSS JOIN outbox
                    WHERE outbox.destination = destination.id AND outbox.punch = punch.seq
                      AND outbox.state NOT IN ('confirmed', 'discarded', 'held'))
         OR EXISTS (SELECT 1 FROM request WHERE punch.seq BETWEEN request.first AND request.last)
         OR NOT EXISTS (SELECT 1 FROM destination CROSS JOIN outbox
                        WHERE outbox.destination = destination.id AND outbox.punch = punch.seq)
       THEN 'undelivered'
       WHEN EXISTS (SELECT 1 FROM destination CROSS JOIN outbox
                    WHERE outbox.destination = destination.id AND outbox.punch = punch.seq
                      AND outbox.state = 'held')
       THEN 'held'
       WHEN punch.nth > 1 OR EXISTS (SELECT 1 FROM punch AS other WHERE other.first_id = punch.id)
       THEN 'same_second'
       WHEN EXISTS (SELECT 1 FROM database_row
                    WHERE database_row.punch = punch.seq AND database_row.gone_at IS NULL)
       THEN 'in_database'
       ELSE 'removable'
       END
FROM punch
WHERE punch.device = :device AND punch.in_log = :in_log AND punch.seq > :after AND punch.seq < :end
  AND punch.journalled_at < :before
ORDER BY punch.seq LIMIT :limit;

-- name: count_removed
-- incoming: numbers
-- Before they leave the outboxes.
UPDATE destination
SET (due, confirmed, discarded, removed) = (
    SELECT destination.due - count(*),
           destination.confirmed - count(*) FILTER (WHERE outbox.state = 'confirmed'),
           destination.discarded - count(*) FILTER (WHERE outbox.state = 'discarded'),
           destination.removed + count(*) FILTER (WHERE outbox.state = 'confirmed')
    FROM incoming CROSS JOIN outbox
    WHERE outbox.destination = destination.id AND outbox.punch = incoming.value
);

-- name: remove_from_outboxes
-- incoming: numbers
DELETE FROM outbox
WHERE destination IN (SELECT id FROM destination) AND punch IN (SELECT value FROM incoming);

-- name: remove_lines
-- incoming: numbers
DELETE FROM push_line WHERE punch IN (SELECT value FROM incoming);

-- name: remove_assignments
-- incoming: numbers
DELETE FROM assignment WHERE punch IN (SELECT value FROM incoming);

-- name: part_from_rows
-- incoming: numbers
-- Rows that are gone from their databases. Should one come back, its key tells that it was seen before.
UPDATE database_row SET punch = NULL WHERE punch IN (SELECT value FROM incoming);

-- name: remove_punches
-- incoming: numbers
DELETE FROM punch WHERE seq IN (SELECT value FROM incoming);

-- name: to_be_forgotten
-- incoming: numbers
SELECT punch.seq, punch.id, punch.kinds, punch.state, punch.source FROM incoming CROSS JOIN punch
WHERE punch.seq = incoming.value;

-- name: forget_punch
INSERT INTO forgotten_punch (id, punch, kinds, state, bridged) VALUES (:id, :punch, :kinds, :state, :bridged);

-- name: note_pruned
-- In the transaction that removes them: from then on no record of the device is new before it was looked for.
UPDATE device SET pruned_at = :now, forms_left = 1 WHERE id = :device;

-- name: devices_with_forms_left
SELECT id FROM device WHERE forms_left = 1 ORDER BY id;

-- name: forms_behind
-- The next forms of a device behind one, each with its place and, where that was not removed, its punch.
SELECT form.bytes, form.occurrence, form.punch, punch.seq
FROM form LEFT JOIN punch ON punch.seq = form.punch
WHERE form.device = :device AND (form.bytes, form.occurrence) > (:bytes, :occurrence)
ORDER BY form.bytes, form.occurrence LIMIT :limit;

-- name: forget_form
INSERT INTO forgotten_form (device, digest, occurrence, punch)
VALUES (:device, :digest, :occurrence, :punch);

-- name: remove_form
DELETE FROM form WHERE device = :device AND bytes = :bytes AND occurrence = :occurrence;

-- name: note_forms_forgotten
UPDATE device SET forms_left = 0 WHERE id = :device;

-- name: anything_forgotten
SELECT 1 FROM device WHERE id = :device AND pruned_at IS NOT NULL;

-- name: forgotten_bytes
-- incoming: bytes
-- As known_bytes, of punches that were pruned; by digests.
SELECT incoming.place, count(*), max(forgotten_form.occurrence), min(forgotten_form.punch),
       max(forgotten_form.punch)
FROM incoming CROSS JOIN forgotten_form
WHERE forgotten_form.device = :device AND forgotten_form.digest = incoming.value
GROUP BY incoming.place;

-- name: forgotten_punches
-- incoming: bytes
-- As punches_of_second. Each was alone in its second, or it would be there still; why it was held once, and what
-- was not kept, means nothing.
SELECT incoming.place, forgotten_punch.punch, forgotten_punch.kinds, 1, NULL,
       CASE WHEN forgotten_punch.bridged = 1 THEN 'bridge' ELSE '' END, -1, forgotten_punch.state, -1
FROM incoming CROSS JOIN forgotten_punch
WHERE forgotten_punch.id = incoming.value;

-- name: add_kind_of_forgotten
UPDATE forgotten_punch SET kinds = kinds | :kind WHERE id = :id;

-- name: move_forgotten
-- What was pruned of a device is known of another one as well, as far as that does not know it.
INSERT INTO forgotten_form (device, digest, occurrence, punch)
SELECT :other, digest, occurrence, punch FROM forgotten_form WHERE device = :device
ON CONFLICT (device, digest, occurrence) DO NOTHING;

-- name: note_moved_forgotten
UPDATE device
SET pruned_at = coalesce(pruned_at, (SELECT moved.pruned_at FROM device AS moved WHERE moved.id = :device))
WHERE id = :other;

-- --- databases of vendor software ---

-- name: database
SELECT id, numbering, key, name, kind, read_at, whole_at, rows, lookups, asked FROM database
WHERE address = :address;

-- name: database_keys
SELECT key, name FROM database;

-- name: unname_database
-- Another address has its name in the inventory by now, or it has another name.
UPDATE database SET name = NULL WHERE name = :name;

-- name: meet_database
-- What was met before keeps its key.
INSERT INTO database (key, name, address, kind, met_at) VALUES (:key, :name, :address, :kind, :now)
ON CONFLICT (address) DO UPDATE SET name = excluded.name, kind = excluded.kind;

-- name: fingerprints
SELECT bucket, fingerprint FROM database_bucket WHERE database = :database;

-- name: keep_fingerprint
INSERT INTO database_bucket (database, bucket, fingerprint) VALUES (:database, :bucket, :fingerprint)
ON CONFLICT (database, bucket) DO UPDATE SET fingerprint = excluded.fingerprint;

-- name: forget_buckets
-- incoming: numbers
DELETE FROM database_bucket WHERE database = :database AND bucket IN (SELECT value FROM incoming);

-- name: begin_whole
UPDATE database SET whole_at = NULL, asked = :asked, numbering = numbering + :renumbered WHERE id = :database;

-- name: end_visit
UPDATE database
SET read_at = :now, rows = :rows, lookups = :lookups,
    whole_at = CASE WHEN :whole = 1 OR whole_at IS NULL THEN :now ELSE whole_at END
WHERE id = :database;

-- name: people_of_database
SELECT number, badge, current FROM database_person WHERE database = :database;

-- name: end_badge
UPDATE database_person SET current = 0 WHERE database = :database AND number = :number AND current = 1;

-- name: keep_badge
INSERT INTO database_person (database, number, badge, since, current)
VALUES (:database, :number, :badge, :now, 1)
ON CONFLICT (database, number, badge) DO UPDATE SET since = excluded.since, current = 1;

-- name: rows_by_key
-- incoming: texts
-- CROSS JOIN: take the few incoming values one by one.
SELECT incoming.place, database_row.punch, database_row.reason, database_row.detail, database_row.content,
       database_row.bucket, CASE WHEN database_row.gone_at IS NULL THEN 0 ELSE 1 END,
       database_row.accepted_at, database_row.numbering
FROM incoming CROSS JOIN database_row
WHERE database_row.database = :database AND database_row.key = incoming.value;

-- name: keep_row
-- What it says is kept where that has changed, or it is set aside.
INSERT INTO database_row (database, key, bucket, punch, content, raw, reason, detail, seen_at, changed_at,
                          accepted_at, numbering)
VALUES (:database, :key, :bucket, :punch, :content, :raw, :reason, :detail, :now, :changed_at, :accepted_at,
        :numbering)
ON CONFLICT (database, key) DO UPDATE
SET bucket = excluded.bucket, punch = excluded.punch, content = excluded.content,
    raw = CASE WHEN excluded.raw IS NOT NULL THEN excluded.raw
               WHEN database_row.reason IS NULL THEN database_row.raw END,
    reason = excluded.reason, detail = excluded.detail,
    changed_at = coalesce(excluded.changed_at, database_row.changed_at), gone_at = NULL,
    accepted_at = excluded.accepted_at, numbering = excluded.numbering;

-- name: keys_of_buckets
-- incoming: numbers
SELECT incoming.place, database_row.key FROM incoming CROSS JOIN database_row
WHERE database_row.database = :database AND database_row.bucket = incoming.value;

-- name: leave_bucket
-- incoming: texts
UPDATE database_row SET bucket = NULL WHERE database = :database AND key IN (SELECT value FROM incoming);

-- name: known_buckets
-- A look for each that rows are in: they are not walked.
WITH RECURSIVE there (bucket) AS (
    SELECT min(bucket) FROM database_row WHERE database = :database AND bucket IS NOT NULL
    UNION ALL
    SELECT (SELECT min(database_row.bucket) FROM database_row
            WHERE database_row.database = :database AND database_row.bucket > there.bucket)
    FROM there WHERE there.bucket IS NOT NULL
)
SELECT bucket FROM there WHERE bucket IS NOT NULL
UNION
SELECT bucket FROM database_bucket WHERE database = :database;

-- name: leave_buckets
-- incoming: numbers
-- All rows of buckets that are no more.
UPDATE database_row SET bucket = NULL WHERE database = :database AND bucket IN (SELECT value FROM incoming);

-- name: forget_renumbered
-- Rows of an older numbering that another one, which is there, stands for.
DELETE FROM database_row
WHERE database = :database AND numbering < :numbering
  AND key IN (SELECT key FROM database_row WHERE database = :database AND bucket IS NULL AND gone_at IS NULL)
  AND EXISTS (SELECT 1 FROM database_row AS other
              WHERE other.punch = database_row.punch AND other.database = :database
                AND other.bucket IS NOT NULL);

-- name: count_nowhere
-- Rows that were there and are in no bucket, and how many of them are, or were, punches.
SELECT count(*), count(*) FILTER (WHERE reason IS NULL) FROM database_row
WHERE database = :database AND bucket IS NULL AND gone_at IS NULL;

-- name: note_gone
UPDATE database_row SET gone_at = :now WHERE database = :database AND bucket IS NULL AND gone_at IS NULL;

-- name: count_rows
-- How many are there, as it was counted, and as a walk finds.
SELECT rows_there, (SELECT count(*) FROM database_row
                    WHERE database_row.database = database.id AND database_row.bucket IS NOT NULL)
FROM database WHERE id = :database;

-- name: rows_there
SELECT rows_there FROM database WHERE id = :database;

-- name: add_rows_there
UPDATE database SET rows_there = rows_there + :more WHERE id = :database;

-- name: note_device_of_rows
INSERT INTO database_device (database, device) VALUES (:database, :device)
ON CONFLICT (database, device) DO NOTHING;

-- name: move_devices_of_rows
INSERT INTO database_device (database, device)
SELECT database, :other FROM database_device WHERE device = :device
ON CONFLICT (database, device) DO NOTHING;

-- name: set_aside
-- Those that are to be tried again, by their keys. One that was read under another numbering names, by its
-- number, whoever has that now.
SELECT database_row.key, database_row.raw
FROM (SELECT database, key FROM database_row
      WHERE database = :database AND key > :after AND reason IS NOT NULL AND gone_at IS NULL
        AND accepted_at IS NULL) AS aside
CROSS JOIN database_row
WHERE database_row.database = aside.database AND database_row.key = aside.key
  AND database_row.numbering = :numbering
ORDER BY aside.key LIMIT :limit;

-- name: keep_lookups
UPDATE database SET lookups = :lookups WHERE id = :database;

-- name: quarantined_first
-- Of those that nobody accepted.
SELECT coalesce(device.name, device.seen_as), device.key, quarantine.raw, quarantine.reason,
       quarantine.quarantined_at, quarantine.accepted_at
FROM quarantine JOIN device ON device.id = quarantine.device
WHERE quarantine.accepted_at IS NULL
ORDER BY quarantine.quarantined_at, device.key, quarantine.raw
LIMIT :limit;

-- name: quarantined_in_all
SELECT count(*) FROM quarantine WHERE accepted_at IS NULL;

-- name: rows_set_aside_first
-- Of those that nobody accepted.
SELECT database.name, database.address, database_row.key, database_row.raw, database_row.reason,
       coalesce(database_row.detail, ''), database_row.seen_at, database_row.accepted_at
FROM (SELECT database, key FROM database_row
      WHERE reason IS NOT NULL AND gone_at IS NULL AND accepted_at IS NULL
      ORDER BY database, key LIMIT :limit) AS aside
CROSS JOIN database CROSS JOIN database_row
WHERE database.id = aside.database AND database_row.database = aside.database AND database_row.key = aside.key
ORDER BY database.id, database_row.key;

-- name: rows_set_aside
SELECT database.name, database.address, database_row.key, database_row.raw, database_row.reason,
       coalesce(database_row.detail, ''), database_row.seen_at, database_row.accepted_at
FROM (SELECT database, key FROM database_row WHERE reason IS NOT NULL AND gone_at IS NULL) AS aside
CROSS JOIN database CROSS JOIN database_row
WHERE database.id = aside.database AND database_row.database = aside.database AND database_row.key = aside.key
ORDER BY database.id, database_row.key;

-- name: accept_row
UPDATE database_row SET accepted_at = :now
WHERE database = (SELECT id FROM database WHERE address = :address) AND key = :key
  AND reason IS NOT NULL AND accepted_at IS NULL;

-- name: database_standings
-- What is set aside, edited or gone is counted by indexes of its own.
SELECT database.id, database.name, database.address, database.kind, database.key, database.met_at,
       database.read_at, database.whole_at, database.rows_there,
       (SELECT count(*) FROM database_row
        WHERE database_row.database = database.id AND database_row.reason IS NOT NULL
          AND database_row.gone_at IS NULL AND database_row.accepted_at IS NULL),
       (SELECT count(*) FROM database_row
        WHERE database_row.database = database.id AND database_row.changed_at IS NOT NULL
          AND database_row.gone_at IS NULL),
       (SELECT count(*) FROM database_row
        WHERE database_row.database = database.id AND database_row.gone_at IS NOT NULL
          AND database_row.reason IS NULL)
FROM database WHERE database.name IS NOT NULL ORDER BY database.name;

-- name: pending_of_databases
SELECT database_row.database, count(DISTINCT outbox.punch)
FROM outbox CROSS JOIN database_row
WHERE outbox.state = 'pending' AND database_row.punch = outbox.punch
GROUP BY database_row.database;

-- name: held_of_databases
-- Punches that wait for a person's decision, as their database gave reason to.
SELECT database.name, outbox.reason, count(DISTINCT outbox.punch)
FROM outbox CROSS JOIN database_row CROSS JOIN database
WHERE outbox.state = 'held' AND outbox.reason IN ('manual', 'sudden')
  AND database_row.punch = outbox.punch AND database.id = database_row.database AND database.name IS NOT NULL
GROUP BY database.name, outbox.reason;

-- name: rows_of_punch
SELECT coalesce(database.name, database.address), database_row.seen_at, database_row.changed_at,
       database_row.gone_at
FROM database_row JOIN database ON database.id = database_row.database
WHERE database_row.punch = :punch
ORDER BY database_row.seen_at, database.id, database_row.key;

-- name: row_changes
-- Those that were edited or are gone, by their keys; each has an index of its own. What was never a punch is
-- none of them.
SELECT database_row.key, database_row.changed_at, database_row.gone_at, database_row.raw, punch.id,
       punch.device_name, device.key, punch.user_id, punch.timestamp, punch.verify, punch.state, punch.work_code
FROM (SELECT database, key FROM database_row
      WHERE database = (SELECT id FROM database WHERE name = :name) AND key > :after
        AND changed_at IS NOT NULL AND gone_at IS NULL
      UNION ALL
      SELECT database, key FROM database_row
      WHERE database = (SELECT id FROM database WHERE name = :name) AND key > :after
        AND gone_at IS NOT NULL AND reason IS NULL) AS odd
CROSS JOIN database_row
LEFT JOIN punch ON punch.seq = database_row.punch
LEFT JOIN device ON device.id = punch.device
WHERE database_row.database = odd.database AND database_row.key = odd.key
ORDER BY database_row.key LIMIT :limit;

-- name: bridged_seconds
-- incoming: texts
-- Which seconds are those of a punch, up to a place, that a row has shown. 64: the kind of a row; as it stands
-- here, the index of these punches alone is used.
SELECT DISTINCT incoming.place FROM incoming CROSS JOIN punch
WHERE punch.device = :device AND punch.kinds >= 64 AND substr(punch.timestamp, 1, 19) = incoming.value
  AND punch.seq <= :before;

-- name: old_arrivals
-- Journalled after a place, from before a day, and waiting wherever they go: nobody has them, or knows of them.
SELECT punch.seq, punch.device_name, punch.timestamp FROM punch
WHERE punch.seq > :after AND punch.hold IS NULL AND punch.timestamp < :before
  AND NOT EXISTS (
      SELECT 1 FROM destination CROSS JOIN outbox
      WHERE outbox.destination = destination.id AND outbox.punch = punch.seq AND outbox.state <> 'pending')
ORDER BY punch.seq;

-- name: hold_punches
-- incoming: numbers
UPDATE punch SET hold = :hold WHERE seq IN (SELECT value FROM incoming);

-- name: hold_in_outboxes
-- incoming: numbers
-- Punches that nobody sends yet: they were journalled in this transaction, or the caller keeps others away. A
-- stranger's is held for that.
UPDATE outbox
SET state = 'held', changed_at = :now,
    reason = CASE WHEN reason = 'another terminal' THEN reason ELSE :hold END
WHERE destination IN (SELECT id FROM destination) AND punch IN (SELECT value FROM incoming);

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

-- name: first_device
-- By it a journal is known wherever it is: one that was begun anew met it at another moment.
SELECT key, met_at FROM device ORDER BY id LIMIT 1;

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
-- Punches that it has shown itself, by whatever door, pruned ones too, and lines in quarantine.
SELECT device.shown
       + (SELECT count(*) FROM quarantine
          WHERE quarantine.device = device.id AND substr(quarantine.raw, 1, 5) = :pushed)
FROM device WHERE device.key = :key;

-- name: not_pushed
-- Punches that were journalled after one and that a reading has shown and push has not, of a device that pushed
-- before and still calls.
SELECT count(*) FROM punch JOIN device ON device.id = punch.device
WHERE device.key = :key AND punch.seq > :after AND substr(punch.timestamp, 1, 19) <= :until
  AND (punch.kinds & :kind) = 0 AND punch.kinds <> :bridge
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

-- --- errands of workers ---

-- name: claim_errands
-- incoming: texts
-- incoming: errands, in front of each the digest of its settings, filled up to :length with spaces. Its rows are the
-- subjects of those that were due. One that was not done waits on; a time that lies ahead was stamped by a wrong clock.
-- Where a clock was put back, an earlier sending of this span may have been taken: that was another one.
INSERT INTO errand (subject, settings, sent_at, until, waits_since)
SELECT substr(incoming.value, :length + 1), rtrim(substr(incoming.value, 1, :length)), :now, :until, :now
FROM incoming
WHERE 1 = 1
ON CONFLICT (subject) DO UPDATE
SET settings = excluded.settings, sent_at = excluded.sent_at, until = excluded.until,
    taken = nullif(errand.taken, excluded.until),
    waits_since = CASE
        WHEN errand.waits_since > excluded.sent_at THEN excluded.sent_at
        WHEN errand.taken = errand.until AND errand.done_at IS NOT NULL THEN excluded.sent_at
        ELSE errand.waits_since
    END
WHERE errand.until IS NULL OR errand.until <= excluded.sent_at OR errand.until > excluded.until
RETURNING subject;

-- name: give_errands_back
-- incoming: texts
UPDATE errand SET until = NULL
WHERE subject IN (SELECT value FROM incoming) AND until = :until AND coalesce(taken, '') <> :until;

-- name: errand_sent_with
SELECT settings FROM errand WHERE subject = :subject AND until = :until AND coalesce(taken, '') <> :until;

-- name: take_errand
UPDATE errand SET taken = :until, taken_at = :now, taken_by = :by, done_at = NULL, outcome = NULL
WHERE subject = :subject AND until = :until AND coalesce(taken, '') <> :until;

-- name: end_errand
-- Where it was sent again meanwhile, that sending waits since now only.
UPDATE errand
SET done_at = :now, outcome = :outcome,
    waits_since = CASE WHEN coalesce(until, '') <> taken THEN :now ELSE waits_since END
WHERE subject = :subject AND taken = :until AND taken_by = :by AND done_at IS NULL;

-- name: errands
SELECT subject, sent_at, until, waits_since, taken, taken_at, taken_by, done_at, outcome FROM errand;

-- name: forget_errands
-- incoming: texts
DELETE FROM errand WHERE subject IN (SELECT value FROM incoming) AND (until IS NULL OR until <= :now);
