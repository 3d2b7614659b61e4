"""Pending punches to one dashboard: POSTed in batches, confirmed by its answers.

Takes events from an outbox that somebody hands it, oldest first; sends each batch until the dashboard
answers for it, and confirms exactly the ids of that request, durably, before the next one. What is not
confirmed stays pending. A dashboard that is away, misconfigured or refusing ends its own delivery for this
run with one sentence that says why; nothing is raised for it, and nothing is dropped.

formats    events -> the bytes and the key of one request    (pure; `events` is the first of them)
| client   one POST -> one answer, within a total limit      (the only importer of requests)
| policy   what an answer means, and what to tell a person   (pure)
| deliver  the loop: send, judge, wait, confirm
"""
