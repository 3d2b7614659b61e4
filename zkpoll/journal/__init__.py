"""The journal: our durable store, the only truth on our side.

schema.sql     every table, as the sum of migrations/
queries.sql    every statement, named
store          the SQLite file: open, migrate, one clear error for each way it can fail
devices        who was met, and which inventory name each belongs to
| ledger       one visit's way in: punches, watermark and outbox rows in one transaction
| holding      which of them are held: before a starting line, or repeats   (pure)
| outbox       one dashboard's way out: what is pending, in flight, settled
decisions      a person's word on what waits
clearance      whether a device's log may be cleared, and what is remembered of that
restoring      what of a raw copy the journal holds, and what it lacks
upkeep         backups, and letting go of what is over
quarantine     what nobody can believe
exports        the users last exported of each device, and punches to be
memory         what was told to a person
"""
