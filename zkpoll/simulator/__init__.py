"""Virtual terminals and a sample dashboard, for tests, the demo and trials.

    with serve(Terminal.with_samples(records=1000)) as address, SampleDashboard() as dashboard:
        ...

wire       frames, checksum, packed time, comm key    (from published captures, not from zkpoll.pull)
| records  log and user records as bytes
| samples  users and logs that could be real
| model    the kind of a terminal
| faults   what goes wrong with it, and how often
| terminal its users, its log, its answers
| server   a terminal on a TCP or UDP socket

push_settings  what a server tells a terminal that pushes    (from published captures, not from zkpoll.push)
| push_model   the kind of such a terminal, and what goes wrong with it
| push_wire    HTTP as terminals speak it
| push_lines   punches, users, options as the bytes of bodies
| push_uploads these bodies, and where they are posted
| push_terminal  handshake, uploads, polls, commands: by steps, by rounds, or by itself

dashboard  takes punches over HTTP, and remembers them
demo       the whole way of a punch, for people to see
"""

from zkpoll.simulator.dashboard import HttpAnswer, Received, SampleDashboard
from zkpoll.simulator.faults import Faults, Instead, cut, never, refuse
from zkpoll.simulator.model import Model
from zkpoll.simulator.push_model import PushDialect, PushFaults, PushModel
from zkpoll.simulator.push_terminal import PushExchange, PushTerminal, pushing
from zkpoll.simulator.records import LAYOUTS, EnrolledUser, Record
from zkpoll.simulator.server import Listening, Transport, serve
from zkpoll.simulator.terminal import ClientSession, Terminal
from zkpoll.simulator.wire import Command, WireFrame

__all__ = [
    "LAYOUTS",
    "ClientSession",
    "Command",
    "EnrolledUser",
    "Faults",
    "HttpAnswer",
    "Instead",
    "Listening",
    "Model",
    "PushDialect",
    "PushExchange",
    "PushFaults",
    "PushModel",
    "PushTerminal",
    "Received",
    "Record",
    "SampleDashboard",
    "Terminal",
    "Transport",
    "WireFrame",
    "cut",
    "never",
    "pushing",
    "refuse",
    "serve",
]
