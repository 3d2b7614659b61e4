"""Workers: what `zkpoll sync` does in one run, as errands that several machines carry out.

errands    which there are for an inventory, when each is due, and by which queue it goes. Pure
dispatch   claims those that are due in the journal, and sends a message for each
carry_out  one errand: a visit, a delivery, a clearing
worker     takes errands, carries them out, notes what came of them (with `inventories`)
news       what was done, as the outcome of a run: what a person is told
celery     the engine: queues at a broker. Nothing else knows it

The journal is schedule and register in one. A message is a name; it may be lost, doubled or late.
"""
