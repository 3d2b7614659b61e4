"""Door 1: devices that zkpoll calls on port 4370.

framing          bytes <-> frames, no I/O
| link           frames over one socket, with a limit on every wait
| session        the driver (pyzk) over that link: connect, authenticate, ask
| device_tables  the log and the users, whole or in slices, with nothing lost on the way
| reader         a visit: the part of the log to read, by `plan`, with the proof that nothing was skipped
| slices         records, by their layout, on their way to verified slices

doorbell         tells that somebody has punched, so that the log is read at once

clearing         clears a log, with proof that nothing is lost
raw_copy         the copy that insures a log before it is cleared
second_reading   single records that were impossible once, decoded anew
unknown_log      a log that fits no layout, saved for a person
set_clock        sets the device's clock, if `host_clock` says that this host's can be trusted
diagnosis        each step on the way to a device, for a person
discovery        the devices of a network

Pure, and used by them: codes, blocks (pieces of a UDP stream), sizes, layouts, user_table, identity,
plan.
"""
