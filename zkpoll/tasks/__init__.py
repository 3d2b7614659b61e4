"""One piece of work on one device or dashboard, from settings to result."""
