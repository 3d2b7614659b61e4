"""Pending punches to one dashboard: POSTed in batches, settled by its answers.

The loop takes events from an outbox that it is handed, oldest first. It writes down what is in flight, sends
it until the dashboard answers for it, and settles exactly the ids of that request, durably, before the next.
What is not settled stays pending. A dashboard that is away, misconfigured or refusing ends its own delivery
for this run with one sentence that says why. Nothing is raised for it, and nothing is dropped.

contract    what a format is: requests, answers, decisions        (pure, and the page to begin with)
formats/    one module a format, and the table of them            (pure)
| user_ids  in front of a format: user ids of devices -> of the dashboard; origins: the sources     (pure)
| verdicts  what an answer means; contents: what it holds; rejections: the records it names;
            failures: its words for a failure; excerpts: its words to show                          (pure)
access      the URL and credentials of a dashboard; signing
| client    one request -> one answer, within a total limit; transport and watchdog hold the limit
bisection   a refused batch, halved until the guilty stand alone  (pure)
| loop      send, wait, settle
ping        a question to a dashboard that sends no punch; preview: the request it would get first
"""
