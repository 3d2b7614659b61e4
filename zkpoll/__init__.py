"""zkpoll: punches from attendance terminals to a dashboard.

inventory   which devices, which dashboards             (YAML -> frozen settings)
| pull      read each device's log                      (port 4370 -> records)
  push      be called by devices                        (HTTP -> records)
| journal   keep every punch, once                      (SQLite, synced to disk)
| delivery  send what is pending until it is confirmed  (HTTP, JSON)

tasks       each piece of that work on one device or dashboard, from settings to result
sync        one run: all of them side by side
serve       the push door, for as long as it is open
reports     who is told what came of it
cli         the command line
"""

__version__ = "0.2.0"
