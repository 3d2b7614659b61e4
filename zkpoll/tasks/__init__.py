"""One piece of work on one device or dashboard, from settings to result.

contact           a device under its lock, enabled first, identified
visit             read a device's log into a sink
log_sink          the sinks: one journals, one only looks
release           records that leave quarantine: believed by now, or given to a person
clear             clear a log, with proof that nothing is lost
inspect           a person's look at a device: ping, info, clock
read_users        the users of a device, for an export
orders            what devices that push are asked for, and when
deliver           send one dashboard its pending punches
ping_dashboard    ask a dashboard whether it would take punches
restore           put back into the journal what a raw copy holds and it lacks
result            the questions that every result answers, and the exit code
device_outcome    the result of a visit and a clearing
delivery_outcome  the result of a delivery
outcome           the result of a run
arrivals          the signal to deliveries that something new was journalled
run               options, observer, threads
"""
