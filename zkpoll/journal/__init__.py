"""The journal: our durable store, the only truth on our side.

schema.sql     every table, as the sum of migrations/
queries.sql    every statement, named
store          the SQLite file: open, migrate, one clear error for each way it can fail
devices        who was met, and which inventory name each belongs to
| ledger       one visit's way in: punches, watermark and outbox rows in one transaction
| outbox       one dashboard's way out: pending punches, confirmations
quarantine     what nobody can believe
memory         what was told to a person
"""
