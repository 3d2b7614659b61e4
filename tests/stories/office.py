"""An office: terminals, a dashboard, cron on a server, and the person who is called when something is wrong.

`cron` and `person` run the real `zkpoll`, as cron does and at a terminal; `says` and `silent` look at what
the last of them printed. Time passes by the clocks alone, that of the server and those of the terminals: a
punch and a command take a minute each, however long they take in truth.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.host_clock import on_a_host
from tests.site import TOKEN, at_a_terminal
from zkpoll.model.punch import punch_id
from zkpoll.simulator import EnrolledUser, Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Result, Site

MONDAY: Final = datetime(2026, 12, 7, 8)
"""When each story begins, by all clocks."""
_SET: Final = timedelta(seconds=5)
"""A clock that is off by less was put right."""
_WIDE: Final = 160
"""Columns of the person's terminal."""


class Office:
    """An office in which a story happens."""

    def __init__(self, site: Site, stack: ExitStack) -> None:
        self.site = site
        self.dashboard = SampleDashboard(TOKEN)
        self.terminals: dict[str, Terminal] = {}
        """Those that belong there, by name."""
        self.inventory: dict[str, Any] = {"journal": "journal.db", "defaults": {"timezone": "UTC"}}
        """As it is in the file; a story may change it, as a person does."""
        self.now = MONDAY
        """The true time there."""
        self.ahead: dict[str, timedelta] = {}
        """By how much terminals' clocks are ahead, by name, if they are."""
        self.printed = ""
        """By the last command, in one line."""
        self._stack = stack
        self._plugs: dict[str, ExitStack] = {}
        self.inventory |= {"dashboard": {"token": "${TOKEN}", "attempts": 1}, "devices": []}
        self.start_dashboard()

    # What stands there

    def install(
        self, name: str, *people: EnrolledUser, model: Model | None = None, **settings: Any
    ) -> Terminal:
        """Put up a terminal, which has its name in capitals for a serial number, and write it down."""
        terminal = Terminal(model or Model(serial=name.upper()), users=people)
        self.terminals[name] = terminal
        self.inventory["devices"].append({"name": name, "host": "127.0.0.1", "port": 0} | settings)
        self.plug_in(name)
        return terminal

    def device(self, name: str) -> dict[str, Any]:
        """Return what the inventory says of a device; what a story changes there is written."""
        (found,) = (one for one in self.inventory["devices"] if one["name"] == name)
        return found  # type: ignore[no-any-return]

    def plug_in(self, name: str, terminal: Terminal | None = None) -> None:
        """Let the terminal of that name, or another one, answer at its address."""
        entry = self.device(name)
        self._unplug(name)
        at = serve(terminal or self.terminals[name], port=entry["port"])
        entry |= {"port": self._plugs[name].enter_context(at).port, "timeout": 2}

    def pull_the_plug(self, name: str) -> None:
        """Let nobody answer at a terminal's address: what is sent there is lost, and soon given up."""
        entry = self.device(name)
        self._unplug(name)
        self._plugs[name].enter_context(_nobody(entry["port"]))
        entry["timeout"] = 0.5

    def _unplug(self, name: str) -> None:
        if name in self._plugs:
            self._plugs[name].close()
        self._plugs[name] = self._stack.enter_context(ExitStack())

    def start(self, dashboard: SampleDashboard) -> str:
        """Start a dashboard, and return its address."""
        self._stack.enter_context(dashboard)
        return dashboard.url

    def stop_dashboard(self) -> None:
        """Stop the dashboard."""
        self._plugs["the dashboard"].close()

    def start_dashboard(self) -> None:
        """Start the dashboard, at another port of its server."""
        self._plugs["the dashboard"] = self._stack.enter_context(ExitStack())
        self._plugs["the dashboard"].enter_context(self.dashboard)
        self.inventory["dashboard"]["url"] = self.dashboard.url

    # What happens there

    def passes(self, **span: float) -> None:
        """Let so much time pass, as `timedelta` has it."""
        self.now += timedelta(**span)

    def punch(self, name: str, *people: str) -> None:
        """Let these people punch at a terminal, a minute after each other."""
        for user in people:
            with self._a_minute():
                assert self.terminals[name].punch(user)

    # What is done about it

    def cron(self, *, ends: int = 0) -> None:
        """Let cron run `zkpoll sync`, with this exit code."""
        result = self.run("sync")
        assert (result.code, result.out) == (ends, ""), result
        self.printed = _in_one_line(result.err)

    def person(self, *words: str, answer: str = "", ends: int = 0) -> None:
        """Let a person run `zkpoll` at a terminal, answer what is asked, and get this exit code."""
        with self._on_its_host():
            code, screen = at_a_terminal(self.site, *words, answer=answer, columns=_WIDE)
        self.printed = _in_one_line(screen)
        assert code == ends, screen

    def run(self, *words: str) -> Result:
        """Run `zkpoll` with its output in pipes."""
        with self._on_its_host():
            return self.site.run(*words)

    @contextmanager
    def _on_its_host(self) -> Iterator[None]:
        self.site.inventory.write_text(yaml.safe_dump(self.inventory, sort_keys=False))
        with self._a_minute() as ahead, on_a_host(self.site, ahead=ahead):
            yield

    @contextmanager
    def _a_minute(self) -> Iterator[timedelta]:
        """Set the clocks there, and let a minute pass; give by how much they are ahead of ours.

        A clock that a command has put right stays so.
        """
        ahead = self.now - datetime.now()
        for name, terminal in self.terminals.items():
            terminal.set_clock(self.now + self.ahead.get(name, timedelta()))
        yield ahead
        for name in list(self.ahead):
            if abs(self.terminals[name].now() - datetime.now() - ahead) < _SET:
                del self.ahead[name]
        self.now += timedelta(minutes=1)

    # What is seen of it

    def says(self, *sentences: str) -> None:
        """See that the last command printed these sentences, wherever a line was broken."""
        for sentence in sentences:
            assert sentence in self.printed, self.printed

    def silent(self) -> None:
        """See that the last command printed nothing."""
        assert not self.printed, self.printed

    def all_arrived_once(self, dashboard: SampleDashboard | None = None) -> None:
        """See that the dashboard has each punch at each terminal, and got none twice."""
        arrived = dashboard or self.dashboard
        assert arrived.events.keys() == {
            punch_id(str(terminal.model.serial), record.user_id, record.time.isoformat())
            for terminal in self.terminals.values()
            for record in terminal.history
        }
        assert (arrived.duplicates, arrived.conflicts) == (0, [])


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def _nobody(port: int) -> Iterator[None]:
    """Lose what is sent to a port: its queue of callers is full, and nobody takes one out of it."""
    with socket.socket() as silent, ExitStack() as callers:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", port))
        silent.listen(0)
        for _ in range(2):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        yield
