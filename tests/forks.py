"""Starts `zkpoll` by forking a process that has imported all of it: half a second less for each start.

    python -m tests.forks

reads orders from the socket that is its stdin, each the module and words, the environment and the three
standard streams of a command. What it forks runs the real command, has streams, signals, limits and an end of
its own, and is the caller's child, as if the caller had started it. Three things differ from a fresh start:
every module is loaded, new journals are copies, and memory is not cleared at the end. So `make test-long`
starts some commands afresh, and here only Linux is served.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from tests.new_journals import copy_new_journals
from zkpoll.journal.sqlite import queries

ROOT: Final = Path(__file__).parents[1]
START: Final = [sys.executable, "-m", "zkpoll"]
"""The words of a fresh start, in front of the command's own."""
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
"""What `Popen` calls the ends of its pipes, in all versions of Python that zkpoll runs on."""
_SET_CHILD_SUBREAPER: Final = 36
"""An option of prctl(2): orphans among a process's descendants become its children."""
_LONGEST_ORDER: Final = 1 << 17
"""Bytes; most of an order is the environment."""


class Forked(subprocess.Popen[Any]):
    """A `zkpoll`, or a module that becomes one: `Popen` in all but the way in which its process is made."""

    def _execute_child(self, *arguments: Any, **named: Any) -> None:
        given = signature(super()._execute_child).bind(*arguments, **named).arguments  # type: ignore[misc]
        assert given["args"][:2] == START[:2]
        pipes = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        streams = [own if pipe == -1 else pipe for own, pipe in enumerate(pipes)]
        self.pid = _forker().fork(given["args"][2:], dict(given["env"] or os.environ), streams)
        self._child_created = True
        self._close_pipe_fds(*(given[pipe] for pipe in _PIPES))  # type: ignore[attr-defined]


class _Forker:
    """The process that forks, and the socket to it."""

    def __init__(self) -> None:
        if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.forks"]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), cwd=ROOT)
        atexit.register(self._end)

    def fork(self, words: list[str], environment: dict[str, str], streams: list[int]) -> int:
        """Return the id of a new process that runs a module, which these words begin with."""
        order = json.dumps([words, environment, str(Path.cwd())]).encode()
        with self._lock:
            socket.send_fds(self._socket, [order], streams)
            return int(self._socket.recv(64))

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def _forker() -> _Forker:
    """Return the one of this process."""
    return _Forker()


# --- in the process that forks ---


def load_everything() -> None:
    """Import all of zkpoll, build what it builds when it first needs it, and make a journal to copy."""
    package = importlib.import_module("zkpoll")
    for module in pkgutil.walk_packages(package.__path__, "zkpoll."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    models = BaseModel.__subclasses__()
    for model in models:
        models += model.__subclasses__()
        model.model_rebuild()
    queries()
    copy_new_journals()
    gc.collect()
    gc.freeze()


def _serve(orders: socket.socket) -> str | None:
    """Fork for each order; return its module in what was forked, None when nobody orders any more."""
    while True:
        order, streams, _flags, _address = socket.recv_fds(orders, _LONGEST_ORDER, 3)
        if not order:
            return None
        ours, theirs = os.pipe()
        parent = os.fork()
        if not parent:
            if child := os.fork():
                os.write(theirs, str(child).encode())
                os._exit(0)
            os.close(ours)
            os.close(theirs)
            orders.detach()
            (module, *words), environment, folder = json.loads(order)
            _become(streams, words, environment, folder)
            return str(module)
        os.waitpid(parent, 0)  # an orphan from here on: the caller's child
        orders.send(os.read(ours, 64))
        for descriptor in (ours, theirs, *streams):
            os.close(descriptor)


def _become(streams: list[int], words: list[str], environment: dict[str, str], folder: str) -> None:
    """Make this process what a fresh start would be."""
    for own, stream in enumerate(streams):
        os.dup2(stream, own)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["zkpoll", *words]
    for own, name in enumerate(("stdin", "stdout", "stderr")):
        opened = _opened(own, getattr(sys, name))
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)


def _opened(own: int, before: Any) -> io.TextIOWrapper:
    """Return a standard stream as Python opens it; the one before may have been a file, or a terminal."""
    buffered = not isinstance(before.buffer, io.FileIO)  # as PYTHONUNBUFFERED says
    buffer: Any = open(own, f"{before.mode}b", -1 if buffered else 0, closefd=False)  # noqa: SIM115
    (buffer.raw if buffered else buffer).name = before.name
    stream: Any = io.TextIOWrapper(buffer, before.encoding, before.errors, "\n", write_through=not buffered)
    stream.reconfigure(line_buffering=buffered and (own == 2 or buffer.isatty()))
    stream.mode = before.mode
    return stream  # type: ignore[no-any-return]


def _run(module: str) -> None:
    """Run what was ordered, and end as Python does without clearing memory: that takes longer than most runs.

    What is out of the ordinary, an exception or a stream that takes no more, is left to Python.
    """
    code = 0
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        code = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            if stream:
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    load_everything()
    if ordered := _serve(socket.socket(fileno=0)):
        _run(ordered)
