"""Command and reply codes of the 4370 protocol. Pure.

Those that zkpoll sends or tells apart. The one that would delete a device's users is not among them: see
`Session.ask`. Source: published captures. pyzk has the same, and a test compares the two.
"""

from __future__ import annotations

from typing import Final

# Tables
DB_RRQ: Final = 7
USERTEMP_RRQ: Final = 9
ATTLOG_RRQ: Final = 13
PREPARE_BUFFER: Final = 1503
"""Lays a table out for this session."""
READ_BUFFER: Final = 1504
"""Reads a slice of that: offset, size."""
FREE_DATA: Final = 1502
FCT_USER: Final = 5
"""The function of the user table, beside its command."""

# What a device says of itself
OPTIONS_RRQ: Final = 11
GET_FREE_SIZES: Final = 50
GET_TIME: Final = 201
GET_VERSION: Final = 1100

# What changes it
CLEAR_ATTLOG: Final = 15
SET_TIME: Final = 202
ENABLEDEVICE: Final = 1002
DISABLEDEVICE: Final = 1003
REFRESHDATA: Final = 1013

# The conversation
CONNECT: Final = 1000
EXIT: Final = 1001
AUTH: Final = 1102

REG_EVENT: Final = 500
"""Registers for realtime events; also the command of each of them, which answers nothing."""

# Replies
PREPARE_DATA: Final = 1500
"""Announces a stream of DATA frames, and its size."""
DATA: Final = 1501
ACK_OK: Final = 2000
ACK_ERROR: Final = 2001
ACK_RETRY: Final = 2003
ACK_REPEAT: Final = 2004
ACK_UNAUTH: Final = 2005
ACK_ERROR_DATA: Final = 0xFFFB
"""The lowest of some that say: wrong data, not initialised, wrong command, unknown command (0xffff)."""
CONNECT_REFUSED: Final = 6001
"""MB10-VL, SenseFace 3A: closed to this protocol, whatever the key."""
