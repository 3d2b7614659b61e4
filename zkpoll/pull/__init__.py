"""A device over port 4370: the door that goes and asks.

framing      bytes <-> frames, no I/O
| link       frames over one socket, with a limit on every wait
| session    the driver (pyzk) over that link: authenticate, ask, read any part of a table
| identity   who answered
| reader     a visit: what part of the log to read, by `plan`, with the proof that nothing was skipped
| slices     records, by their layout, on their way to verified slices
| correction setting the device's clock
diagnosis    each step on the way to a device, for a person; discovery: which devices a network has
clearing     clearing its log, with proof that nothing is lost

Pure, and used by them: blocks (a UDP stream's pieces), sizes, user_table, layouts, packed_time, plan.
"""
