"""The format `frappe`: ERPNext and Frappe HR. Pure.

checkins   punches -> Employee Checkins, and what became of them
shifts     how far the site may take a shift's punches for complete
probes     what a ping asks
answers    what the site's answers say, whatever it was asked
"""

from zkpoll.delivery.formats.frappe.checkins import FrappeFormat

__all__ = ["FrappeFormat"]
