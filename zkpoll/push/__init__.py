"""Door 2: terminals call us, with HTTP requests to `/iclock/`.

listener   sockets and limits -> whole requests (the only importer of waitress)
| calls    a request -> a `Call`: its route, secret, serial number and parameters
| gate     may this call in?  A stranger gets one answer, whatever it asks
| reaction a call of a known terminal -> what to answer, and what has to be on disk before that
|          `lines` reads punches, `options` writes the settings a terminal is told, `commands` its orders

All but the listener is pure. The law of this door: a terminal hears `OK` for punches only after the
transaction that holds them is on disk; in any doubt it hears 503, keeps its records and sends them again.
"""
