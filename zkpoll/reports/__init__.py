"""Who is told what: people, programs, and whoever watches runs from outside.

news          what to tell a person who is not watching       (pure)
metrics       figures of a run, in a file for Prometheus
health        pings that say how runs begin and end
log_lines     how a line of the log looks
watchers      metrics and health around one run; one that fails never fails a run
user_rows     one user as an export tells of it                (pure)
user_changes  what changed between two exports                 (pure)
user_file     an export that was written before, back as rows
punches       one punch as an export tells of it               (pure)
tables        rows as CSV, JSON or NDJSON                      (pure)
export_file   to stdout, or whole into a file
"""
