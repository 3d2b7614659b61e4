"""Reports to people, programs and services. A screen is a frozen record: the skin only prints it.

status           how devices and dashboards stand
explain          a person's day: every punch, and what became of it
push_status      how devices that push stand, and their door
push_details     a device that pushes, in all that is known of it
refused_callers  who called the push door and was not let in
device_list      the inventory's devices, with what the journal knows of each
old_punches      how many old punches may be removed, and why others stay   (pure)
news             what a person who is not watching was not told yet
run_summary      a run in one line, in a letter, as JSON                    (pure)
words            counts, time spans and moments in words                    (pure)
metrics          figures of a run, in a file for Prometheus
health           pings that say how runs begin and end
log_lines        the form of the log's lines
page/            how everything stands, as a page for a browser
watchers         metrics and health around one run; one that fails never fails a run
user_rows        one user as a row of an export                             (pure)
user_changes     changes of users between two exports
user_file        an export that was written before, back as rows
punches          one punch as a row of an export                            (pure)
tables           rows as CSV, JSON or NDJSON                                (pure)
export_file      an export to stdout, or whole into a file
"""
