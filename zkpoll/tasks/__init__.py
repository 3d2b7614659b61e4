"""One piece of work on one device or dashboard, from settings to result.

contact         a device under its lock, enabled first, identified
visit           read a device's log into the journal
clear           clear its log, with proof that nothing is lost
inspect         a person's look at a device: ping, info, clock
read_users      its users, for an export
deliver         what is pending, to one dashboard
ping_dashboard  whether a dashboard would take punches
restore         put back into the journal what a raw copy holds and it lacks
outcome         what each came to
arrivals        how deliveries learn that something new was journalled
"""
