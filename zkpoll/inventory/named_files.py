"""The files that an inventory names, and whose contents it has since it was read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory.models import Inventory


def named_files(inventory: Inventory) -> frozenset[Path]:
    """Return the paths of the files that were read with an inventory: secrets, and maps of user ids.

    That of the journal's password is not among them, as who has it open keeps it; nor are certificates
    and the token of the live page, which are read when they are used.
    """
    found = {one.token_file for one in inventory.dashboards}
    found |= {
        one.user_id.map_file.path for one in inventory.dashboards if one.user_id and one.user_id.map_file
    }
    found |= {one.password_file for one in inventory.databases}
    if inventory.workers:
        found.add(inventory.workers.password_file)
    return frozenset(path for path in found if path is not None)
