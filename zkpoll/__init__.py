"""zkpoll: punches from attendance terminals to a dashboard.

inventory   which devices, which dashboard             (YAML -> frozen settings)
| pull      read each device's log                     (port 4370 -> punches)
| journal   keep every punch, once                     (SQLite, synced to disk)
| delivery  send what is pending until it is confirmed (HTTP, JSON)
| cli       tell a person what happened                (one outcome per device)
"""

__version__ = "0.1.0"
