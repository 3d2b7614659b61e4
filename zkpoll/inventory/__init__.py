"""The inventory: a YAML file -> validated, frozen settings of devices and dashboards.

file.py    the path of the file
| text     YAML -> a tree of text, with lines; `${NAME}` filled in
| check    tree -> Inventory, or every problem at once
| models   the settings, as the other rooms see them:
           `sources`      what all sources of punches share; a device adds its address
           `dashboards`   a dashboard and its credentials; `formats/` has a module a format, and their facts
           `listen`       the push door; `people`: user ids; `monitoring`: metrics and health checks
"""

from zkpoll.inventory.dashboards import Basic, Dashboard, Signing
from zkpoll.inventory.file import load, locate
from zkpoll.inventory.hosts import Binding
from zkpoll.inventory.listen import Listen, Push
from zkpoll.inventory.models import Clear, ClockSetting, Device, Inventory
from zkpoll.inventory.people import Badges, UserIds
from zkpoll.inventory.sources import Source

__all__ = [
    "Badges", "Basic", "Binding", "Clear", "ClockSetting", "Dashboard", "Device", "Inventory", "Listen",
    "Push", "Signing", "Source", "UserIds", "load", "locate",
]  # fmt: skip
