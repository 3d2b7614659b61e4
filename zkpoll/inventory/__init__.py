"""The inventory: a YAML file -> validated, frozen settings of devices and dashboards.

file.py    the path of the file
| text     YAML -> a tree of text, with lines; `${NAME}` filled in; what is no YAML as it was meant (`slips`)
| check    tree -> Inventory, or every problem at once
| models   the settings, as the other rooms see them:
           `sources`      what all sources of punches share; a device adds its address
           `dashboards`   a dashboard and its credentials; `formats/` has a module a format, and their facts
           `databases`    a database of vendor software
           `listen`       the push door; `admin`: the live page; `people`: user ids
           `monitoring`   metrics, the page in a file, health checks
           `workers`      the broker that carries errands; `journal_place`: where the journal is
           `digest`       whether two machines have the same settings
"""

from zkpoll.inventory.admin import Admin
from zkpoll.inventory.dashboards import Basic, Dashboard, Signing
from zkpoll.inventory.databases import Database, Machine
from zkpoll.inventory.digest import settings_digest
from zkpoll.inventory.file import credentials_in, journal_of, load, locate
from zkpoll.inventory.hosts import Binding
from zkpoll.inventory.listen import Listen, Push
from zkpoll.inventory.models import Clear, ClockSetting, Device, Inventory
from zkpoll.inventory.people import Badges, UserIds
from zkpoll.inventory.sources import Source
from zkpoll.inventory.workers import Workers

__all__ = [
    "Admin", "Badges", "Basic", "Binding", "Clear", "ClockSetting", "Dashboard", "Database", "Device",
    "Inventory", "Listen", "Machine", "Push", "Signing", "Source", "UserIds", "Workers", "credentials_in",
    "journal_of", "load", "locate", "settings_digest",
]  # fmt: skip
