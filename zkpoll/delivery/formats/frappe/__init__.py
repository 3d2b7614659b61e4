"""The format `frappe`: ERPNext and Frappe HR. Pure.

checkins   punches -> Employee Checkins, and the answers to them
shifts     the time up to which the punches of a shift are complete
probes     the questions of a ping
answers    the meaning of the site's answers to any question
"""

from zkpoll.delivery.formats.frappe.checkins import FrappeFormat

__all__ = ["FrappeFormat"]
