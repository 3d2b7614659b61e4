"""Door 2: terminals call us, with HTTP requests to `/iclock/`.

listener   sockets and limits -> whole requests (the only importer of waitress)
| calls    a request's head -> a `Call`: its route, secret, serial number and parameters
| gate     may this call in?  A stranger gets one answer, whatever it asks
| reaction a call of a known terminal and its body -> what to answer, and what has to be on disk before that
|          lines     punches and what is quarantined, without passwords, templates and card numbers
|          options   the settings and the time that a terminal is told, in two dialects
|          commands  its orders and their results, and what it tells of itself

All but the listener and its sockets is pure. The law of this door: a terminal hears `OK` for punches only
after the transaction that holds them is on disk; in any doubt it hears 503, keeps its records and sends them
again.
"""
