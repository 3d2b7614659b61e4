"""Pending punches to one dashboard: POSTed in batches, settled by its answers.

Takes events from an outbox that somebody hands it, oldest first; writes down what is in flight, sends it
until the dashboard answers for it, and settles exactly the ids of that request, durably, before the next one.
What is not settled stays pending. A dashboard that is away, misconfigured or refusing ends its own delivery
for this run with one sentence that says why; nothing is raised for it, and nothing is dropped.

formats    events -> the bytes and the key of one request    (pure; `events` is the first of them)
| access   a dashboard's address and credentials; signing
| client   one POST -> one answer, within a total limit      (with ping, the only importers of requests)
| policy   what an answer means; named: the records it names; words: what of it may be shown   (pure)
| trial    a refused batch, halved until the guilty stand alone   (pure)
| deliver  the loop: send, judge, wait, settle
ping       the same way, without a punch
"""
