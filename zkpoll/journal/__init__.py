"""The journal: our durable store, the only truth on our side.

schema.sql     every table, as the sum of migrations/
queries.sql    every statement, named
sqlite         the SQLite file: open, migrate, one clear error for each way it can fail
devices        who was met, and which inventory name each belongs to
| intake       the way in: records of a device, sorted and kept in the caller's transaction
| known_bytes  bytes that are known keep the meaning they had when they were first read
| holds        which new punches are held: before a starting line, or repeats   (pure)
watermarks     how much of each device's log is in the journal: the pull door's progress
| outbox       one dashboard's way out: what is pending, in flight, settled
decisions      a person's word on what waits
clearance      whether a device's log may be cleared, and what is remembered of that
restore        what of a raw copy the journal holds, and what it lacks
prune          backups, and letting go of what is over
quarantine     records with impossible values, kept raw
exports        the users last exported of each device, and punches to be
conditions     what was told to a person
"""
