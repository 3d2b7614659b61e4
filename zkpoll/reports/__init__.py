"""Exports for audits: who may use which terminal, what has changed since, and every punch of some days.

rollcall   ask devices for their users           (port 4370; each under its lock)
| users    one user as an export tells of it     (pure)
| diff     what changed between two exports      (pure)
punches    one punch as an export tells of it    (pure)
| formats  rows as CSV, JSON or NDJSON           (pure)
| output   to stdout, or whole into a file
reading    an export that was written before, back as rows
"""
