"""A device over port 4370: the door that goes and asks.

framing    bytes <-> frames, no I/O
| link     frames over one socket, with a limit on every wait
| session  the driver (pyzk) over that link: authenticate, ask, read any part of a table
| layouts  which layout these bytes are, and their records
| reader   what part of the log to read, handed on in verified slices
"""
