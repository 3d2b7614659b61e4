"""The journal: our durable store, the only truth on our side.

sql/           every table (the sum of migrations/), every statement by name, those in SQLite's own words
database       the verbs that every store has
sqlite         the store in an SQLite file: open, migrate, copy, one clear error for each way it can fail
read_only      connections that only read a journal, also where nothing can be written
opening        the journal an inventory names: whether there is one, opening it, its locks and folders
locks          the journal's file: which one it is, and a lock on it for each device and dashboard
devices        which devices were met, and which inventory name each belongs to
| intake       the way in: records of a device, sorted and kept in the caller's transaction
| known_bytes  bytes that are known keep the meaning they had when they were first read
| holds        which new punches are held: before a starting line, or repeats   (pure)
ledger         databases of vendor software: buckets, rows, people; what is gone
| taking       rows of a database on their way in: sorted by their keys, then by the intake
pushed         devices that push: stamps, calls, what they tell of themselves, commands
callers        callers that may not push
watermarks     how much of each device's log is in the journal: the pull door's progress
| outbox       one dashboard's way out: what is pending, in flight, settled
| way_out      each punch on its way out is the one whose id it has
decisions      what a person decides about punches that wait
clearance      whether a device's log may be cleared, and what is remembered of that
comparison     a raw copy beside the journal: what it lacks, and putting that back
backup         a copy of the journal that can take its place
prune          removing old punches that nobody needs any more
| forgotten    what was pruned, and is known if it is shown again
quarantine     records with impossible values and rows that are nobody's, kept as they came
exports        the users last exported of each device, and punches to be exported
conditions     the conditions that a person was told of
overview       how devices, dashboards and single punches stand
database_overview  how databases stand, and which of their rows were edited or are gone
"""
