"""The plan that makes systemd run zkpoll: what is already so, what is to do, what needs a person.

    what a person brings      a command and an inventory that services may read, the secrets
    what is written           the units
    what systemctl is told    to read them, to start anew what runs by older ones, to enable and start

It looks, and changes nothing; `steps.carry_out` does. What a person has to bring is never made up here.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.errors import InventoryError, reason
from zkpoll.installation import units
from zkpoll.installation.service_view import seen, why_not_run, why_unread
from zkpoll.installation.steps import Call, MakePrivate, Step, StepState, WriteUnit
from zkpoll.installation.units import Places, UnitState, Wanted
from zkpoll.inventory import credentials_in, load
from zkpoll.inventory.named_files import named_files
from zkpoll.model.journal_home import FileAndState, JournalServer
from zkpoll.ordinary_files import check_replaceable, contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zkpoll.installation.program import Program
    from zkpoll.installation.steps import Systemctl
    from zkpoll.inventory import Inventory

_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
_CREDENTIAL_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_LONGEST: Final = 1024 * 1024
"""Bytes of a unit."""
_ASKED: Final = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
_RUNNING: Final = ("active", "activating", "reloading")
_ELSEWHERE: Final = (
    "have zkpoll where services may read it: `sudo python3 -m venv /opt/zkpoll`, install it there with"
    " /opt/zkpoll/bin/pip, and call /opt/zkpoll/bin/zkpoll; or name that one with --program"
)


@dataclass(frozen=True, slots=True)
class Setup:
    """What is asked for, and where."""

    wanted: Wanted
    program: Program
    config: Path = units.INVENTORY
    """The inventory's absolute path, as services see it."""
    root: Path = Path("/")
    """The folder that is the machine's `/`: another one for the files of an image."""
    force: bool = False
    """Whether units that a person has changed are replaced."""


def plan(setup: Setup, systemctl: Systemctl | None) -> tuple[Step, ...]:
    """Return all steps, in the order they are done.

    Without `systemctl` there are none of it, as for an image. Raise `StepFailed` where it does not answer.
    """
    ready, names = _needed(setup)
    places = Places(str(setup.program), setup.config, names)
    texts = units.shipped()
    files = [_unit_step(name, texts[name], places, setup) for name in setup.wanted.files()]
    calls = list(_calls(setup.wanted, files, systemctl)) if systemctl else []
    return (*ready, *files, *calls)


def printed(setup: Setup) -> dict[str, str]:
    """Return the texts of all units for an installation, by name. What `wanted` says counts for nothing."""
    _, names = _needed(setup)
    places = Places(str(setup.program), setup.config, names)
    return {name: units.unit(name, text, places) for name, text in units.shipped().items()}


# --- what a person brings ---


def _needed(setup: Setup) -> tuple[list[Step], tuple[str, ...] | None]:
    """Return the steps that a person has to have done, and the names of the secrets as far as known."""
    inventory_step, inventory = _inventory(setup)
    steps = [program_step(setup), inventory_step]
    if inventory is None:
        return steps, None
    names = credentials_in(seen(setup.config, setup.root))
    secrets = [_secret(name, setup.root) for name in names]
    steps += secrets
    if not any(one.state is StepState.NEEDS_YOU for one in secrets):
        steps += _by_a_service(setup, names)
    return [*steps, *_fitting(inventory, setup)], names


def program_step(setup: Setup) -> Step:
    """Return the step of the command: whether services may run it."""
    program = setup.program
    what = f"services run {program}"
    if odd := units.why_no_path("".join(program.words)):
        return Step(f"{program}{odd}", StepState.NEEDS_YOU, _ELSEWHERE)
    for part in program.parts:
        if closed := why_unread(part, setup.root):
            return Step(f"{part} {closed.why}", StepState.NEEDS_YOU, closed.mend or _ELSEWHERE)
    if idle := why_not_run(program.parts[0], setup.root):
        return Step(f"{program.parts[0]} {idle.why}", StepState.NEEDS_YOU, idle.mend or _ELSEWHERE)
    return Step(what, StepState.DONE)


def odd_inventory(setup: Setup) -> Step | None:
    """Return the step of an inventory whose path cannot stand in a unit; None where it can."""
    if odd := units.why_no_path(str(setup.config)):
        return Step(f"the inventory {setup.config}{odd}", StepState.NEEDS_YOU, "give it another name")
    return None


def _inventory(setup: Setup) -> tuple[Step, Inventory | None]:
    """Return the step of the inventory, and what it says as far as that takes no secrets."""
    path = setup.config
    here = seen(path, setup.root)
    if odd := odd_inventory(setup):
        return odd, None
    if closed := why_unread(path, setup.root):
        place = units.INVENTORY
        put = f"put one there: sudo install -d {place.parent}; sudo install -m 0644 devices.yaml {place}"
        return Step(f"the inventory {here} {closed.why}", StepState.NEEDS_YOU, closed.mend or put), None
    try:
        inventory = load(here, _environment(setup.root), secrets=False)
    except InventoryError as error:
        return Step(f"the inventory cannot be used:\n{error}", StepState.NEEDS_YOU, _NO_VARIABLES), None
    return Step(f"the inventory {here} can be read", StepState.DONE), inventory


_NO_VARIABLES: Final = (
    "mend it; a service has none of your shell's variables, and takes secrets from files:"
    " ${CREDENTIALS_DIRECTORY}/token is /etc/zkpoll/token"
)


def _environment(root: Path) -> dict[str, str]:
    """Return the variables that a service has and an inventory may use."""
    return {_CREDENTIALS: str(seen(units.SECRETS, root))}


def _secret(name: str, root: Path) -> Step:
    """Return the step of a file that systemd hands to the services."""
    path = units.SECRETS / name
    here = seen(path, root)
    if not _CREDENTIAL_NAME.fullmatch(name):
        advice = "name it with letters, digits, - and _ only"
        return Step(f"the secret {path} has a name that no unit can hold", StepState.NEEDS_YOU, advice)
    try:
        found = here.stat()
    except FileNotFoundError:
        paste = f"sudo install -m 0600 /dev/stdin {path}, paste it, Enter, Ctrl-D"
        return Step(f"the secret {here} is not there", StepState.NEEDS_YOU, paste)
    except OSError as error:
        return Step(
            f"the secret {here} cannot be looked at: {reason(error)}", StepState.NEEDS_YOU, "use sudo"
        )
    if not stat.S_ISREG(found.st_mode):
        return Step(f"the secret {here} is no ordinary file", StepState.NEEDS_YOU, "put a file in its place")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = f"let nobody but its owner read {here}"
        return Step(what, StepState.TO_DO, action=MakePrivate(here))
    return Step(f"the secret {here} is there, for its owner alone", StepState.DONE)


def _by_a_service(setup: Setup, names: Sequence[str]) -> Iterator[Step]:
    """Yield a step for what a service could not read in the inventory, secrets included.

    In an image, files that it names are not those of this machine. Who may not read the secrets looks at
    the rest alone.
    """
    if setup.root != Path("/") or not all(os.access(units.SECRETS / name, os.R_OK) for name in names):
        return
    try:
        inventory = load(setup.config, _environment(setup.root))
    except InventoryError as error:
        yield Step(f"the inventory cannot be used:\n{error}", StepState.NEEDS_YOU, _NO_VARIABLES)
        return
    handed = {units.SECRETS / name for name in names}
    for path in sorted(named_files(inventory) - handed):
        if closed := why_unread(path):
            advice = (
                f"if it is a secret, have it in {units.SECRETS} (mode 0600) and write"
                f" ${{{_CREDENTIALS}}}/{path.name} in the inventory: systemd hands it to the services"
            )
            yield Step(f"{path}, which the inventory names, {closed.why}", StepState.NEEDS_YOU, advice)


def _fitting(inventory: Inventory, setup: Setup) -> Iterator[Step]:
    """Yield a step for each thing that the inventory or Python lacks for what is asked for."""
    wanted, home = setup.wanted, inventory.home
    lacks: list[tuple[str, str]] = []
    on_server = isinstance(home, JournalServer)
    place = home.state if isinstance(home, FileAndState | JournalServer) else home
    for path in (place, home.file) if isinstance(home, FileAndState) else (place,):
        if not path.is_relative_to(units.STATE):
            key = "state_dir" if on_server else "journal"
            value = units.STATE if on_server else units.STATE / "journal.db"
            lacks.append((f"services may not write to {path}", f"write `{key}: {value}`"))
    if wanted.serve and (inventory.listen is None or inventory.listen.address != "systemd"):
        lacks.append(("systemd opens the ports of `zkpoll serve`", "write `listen: {address: systemd}`"))
    if (wanted.worker or wanted.dispatch) and inventory.workers is None:
        lacks.append(("workers need a broker", "write `workers: {broker: redis://…}`: docs/scale.md"))
    for site in wanted.sites:
        if site not in inventory.sites:
            known = ", ".join(inventory.sites) or "none"
            lacks.append((f"no site {site!r} in the inventory", f"there are {known}"))
    if wanted.backup and on_server:
        lacks.append(
            ("the journal is in PostgreSQL", "leave out --backup; pg_dump backs it up: docs/operating.md")
        )
    extras = {
        "waitress": ("serve", wanted.serve),
        "celery": ("celery", wanted.worker or wanted.dispatch),
        "psycopg": ("postgres", on_server),
    }
    for module, (extra, needed) in extras.items():
        if needed and setup.program.is_this and find_spec(module) is None:
            lacks.append((f"{module} is not installed", f"pip install 'zkpoll[{extra}]'"))
    return (Step(what, StepState.NEEDS_YOU, advice) for what, advice in lacks)


# --- what is written ---


def _unit_step(name: str, as_shipped: str, places: Places, setup: Setup) -> Step:
    path = seen(units.FOLDER / name, setup.root)
    text = units.unit(name, as_shipped, places)
    try:
        check_replaceable(path)
        found = contents(path, _LONGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        found = None
    except OSError as error:
        advice = f"see what it is; `sudo systemctl unmask {name}` removes a mask"
        return Step(f"{path} cannot be replaced: {reason(error)}", StepState.NEEDS_YOU, advice)
    state = units.state_of(found, text, as_shipped)
    if state is UnitState.CURRENT:
        return Step(f"{path} is as it should be", StepState.DONE)
    if state is UnitState.CHANGED and not setup.force:
        advice = (
            f"put your changes into a file of their own (sudo systemctl edit {name}), then let --force"
            " replace this one"
        )
        return Step(f"{path} was changed by somebody", StepState.NEEDS_YOU, advice)
    does = "write" if state is UnitState.ABSENT else "replace"
    return Step(f"{does} {path}", StepState.TO_DO, action=WriteUnit(path, text))


# --- what systemctl is told ---


def _calls(wanted: Wanted, files: Sequence[Step], systemctl: Systemctl) -> Iterator[Step]:
    started = wanted.started()
    rivals = [units.TIMER] if not wanted.timer else list(units.TAKES_ITS_PLACE)
    known = _asked(systemctl, (*started, *rivals))
    written = {one.action.path.name for one in files if isinstance(one.action, WriteUnit)}
    stale = [one for one in started if known[one].get("NeedDaemonReload") == "yes"]
    unknown = [one for one in started if known[one].get("LoadState") == "not-found"]
    yield _call("daemon-reload", done=not (written or stale or unknown))
    again = [
        one
        for one in started
        if known[one].get("ActiveState") in _RUNNING and (one in stale or _file_of(one) in written)
    ]
    if again:
        yield _call("restart", *_with_sockets(again, started))
    for name in rivals:
        if not _is_on(known[name]):
            continue
        if wanted.timer:
            advice = f"say --dispatch or --worker, or stop it: sudo systemctl disable --now {name}"
            yield Step(f"{name} is enabled, in place of {units.TIMER}", StepState.NEEDS_YOU, advice)
        else:
            yield _call("disable", "--now", name)
    yield _call("enable", "--now", *started, done=all(_is_ready(known[one]) for one in started))


def _call(*words: str, done: bool = False) -> Step:
    typed = f"systemctl {' '.join(words)}"
    return Step(typed, StepState.DONE) if done else Step(typed, StepState.TO_DO, action=Call(words))


def _asked(systemctl: Systemctl, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Return what systemd knows of each unit."""
    printed = systemctl.call("show", f"--property={','.join(_ASKED)}", *names)
    blocks = (
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in printed.split("\n\n")
    )
    found: dict[str, Mapping[str, str]] = {one["Id"]: one for one in blocks if "Id" in one}
    return {name: found.get(name, {}) for name in names}


def _is_on(known: Mapping[str, str]) -> bool:
    return known.get("UnitFileState") == "enabled" or known.get("ActiveState") in _RUNNING


def _is_ready(known: Mapping[str, str]) -> bool:
    return known.get("UnitFileState") == "enabled" and known.get("ActiveState") in _RUNNING


def _file_of(name: str) -> str:
    """Return the file of a unit: of an instance, its template."""
    return re.sub("@.*(?=[.])", "@", name)


def _with_sockets(again: Sequence[str], started: Sequence[str]) -> list[str]:
    """Return what is started anew: a socket together with its service, which has its ports."""
    both = {one.partition(".")[0] for one in again if one.endswith(".socket")}
    return [one for one in started if one in again or one.partition(".")[0] in both]


def what_next(setup: Setup) -> tuple[str, ...]:
    """Return the commands by which a person sees that it works, each with a remark."""
    wanted = setup.wanted
    program = str(setup.program)
    if setup.config != units.INVENTORY:
        program += f" --config {setup.config}"
    found = []
    if wanted.timer:
        found += ["sudo systemctl start zkpoll.service    # a run now", "journalctl -u zkpoll -n 20"]
        found += ["systemctl list-timers zkpoll.timer"]
    if wanted.dispatch:
        found += ["journalctl -u zkpoll-dispatch -n 20"]
    stays = [one for one in wanted.started() if one.endswith(".service")]
    found += [f"journalctl -u '{one.removesuffix('.service')}' -n 20" for one in stays]
    if wanted.backup:
        found += ["sudo systemctl start zkpoll-backup    # the first backup now"]
    return (*found, f"sudo {program} status")
