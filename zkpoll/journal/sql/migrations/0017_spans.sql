-- The punches of a request in flight are written in its own row, as spans of their places, in place of a row each.

ALTER TABLE request ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN places TEXT NOT NULL DEFAULT '';

-- Places that stand side by side are as far from their turn as each other.
CREATE TEMP TABLE span AS
SELECT request, min(punch) AS first, max(punch) AS last
FROM (SELECT request, punch, punch - row_number() OVER (PARTITION BY request ORDER BY punch) AS side FROM carried)
GROUP BY request, side ORDER BY request, first;
DELETE FROM request WHERE id NOT IN (SELECT request FROM span);
UPDATE request
SET first = (SELECT min(first) FROM span WHERE request = request.id),
    last = (SELECT max(last) FROM span WHERE request = request.id),
    places = (SELECT group_concat(CASE WHEN first = last THEN first ELSE first || '-' || last END)
              FROM span WHERE request = request.id);
DROP TABLE span;
DROP TABLE carried;
