"""Pending punches to one dashboard: POSTed in batches, settled by its answers.

Takes events from an outbox that somebody hands it, oldest first; writes down what is in flight, sends it
until the dashboard answers for it, and settles exactly the ids of that request, durably, before the next one.
What is not settled stays pending. A dashboard that is away, misconfigured or refusing ends its own delivery
for this run with one sentence that says why; nothing is raised for it, and nothing is dropped.

formats    events -> requests, answers -> a decision: `events`, `frappe`, `odoo`, `template`   (pure)
| outward  in front of a format: whose punch it is there; terminals: in or out; values: by name   (pure)
| policy   what an answer means; named: the records it names; words: what of it may be shown   (pure)
request    one request, and the exchange of several that a format leads   (pure)
| access   a dashboard's address and credentials; signing
| client   one request -> one answer, within a total limit   (with ping, the only importers of requests)
trial      a refused batch, halved until the guilty stand alone   (pure)
| deliver  the loop: send, wait, settle
ping       whether it would take punches, asked without one; preview: what it would be sent first
"""
