"""Which devices, which dashboards: a YAML file -> validated, frozen settings.

file.py    where the inventory is      (a path)
| text     what it says                (YAML -> a tree of text, with lines; `${NAME}` filled in)
| check    whether it can be meant so  (tree -> Inventory, or every problem at once)
| models   the settings                (what the other rooms see; `dashboards` has those of a dashboard,
                                        `formats` what it gets, `people` whose punches they are)
"""

from zkpoll.inventory.dashboards import Basic, Dashboard, Signing
from zkpoll.inventory.file import load, locate
from zkpoll.inventory.models import Clear, ClockSetting, Device, Inventory
from zkpoll.inventory.people import Badges, UserIds
from zkpoll.inventory.sources import Source

__all__ = [
    "Badges", "Basic", "Clear", "ClockSetting", "Dashboard", "Device", "Inventory", "Signing", "Source",
    "UserIds", "load", "locate",
]  # fmt: skip
