"""Which devices, which dashboards: a YAML file -> validated, frozen settings.

file.py    where the inventory is      (a path)
| text     what it says                (YAML -> a tree of text, with lines; `${NAME}` filled in)
| check    whether it can be meant so  (tree -> Inventory, or every problem at once)
| models   the settings                (what the other rooms see; `dashboards` has those of a dashboard)
"""

from zkpoll.inventory.dashboards import Basic, Dashboard, Signing
from zkpoll.inventory.file import load, locate
from zkpoll.inventory.models import Clear, Clock, Device, Inventory

__all__ = ["Basic", "Clear", "Clock", "Dashboard", "Device", "Inventory", "Signing", "load", "locate"]
