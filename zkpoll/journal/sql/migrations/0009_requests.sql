-- Requests in flight, each with the punches it carries, in place of the punches of all of them together.

-- Written down before it is sent, gone once it is answered. AUTOINCREMENT: an answer settles its own request
-- alone, also where another run has forgotten that one and made others.
CREATE TABLE request (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    destination  INTEGER NOT NULL REFERENCES destination (id),
    began_at     TEXT,
    punches      INTEGER NOT NULL,
    method       TEXT,
    key          TEXT,
    body         BLOB
);

CREATE TABLE carried (
    request  INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
    punch    INTEGER NOT NULL REFERENCES punch (seq),
    PRIMARY KEY (request, punch)
) WITHOUT ROWID;

-- What is in flight now. Nobody kept its bytes, so it is made anew; the request that was sent last is the newest.
INSERT INTO request (destination, punches) SELECT destination, count(*) FROM batch WHERE last = 0 GROUP BY destination;
INSERT INTO carried (request, punch)
SELECT request.id, batch.punch FROM batch JOIN request ON request.destination = batch.destination
WHERE batch.last = 0;
INSERT INTO request (destination, punches) SELECT destination, count(*) FROM batch WHERE last = 1 GROUP BY destination;
INSERT INTO carried (request, punch)
SELECT (SELECT max(request.id) FROM request WHERE request.destination = batch.destination), batch.punch
FROM batch
WHERE batch.last = 1;
DROP TABLE batch;
