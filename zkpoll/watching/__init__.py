"""Who watches runs from outside. A watcher that fails never fails a run.

metrics   figures of a run, in a file for Prometheus
health    pings that say how runs begin and end
logs      how a line of the log looks: to a person, to a program, to journald
watchers  all of them around one run
"""
