"""Speed and memory, as ratios measured in one run: `make bench`.

Seconds differ between machines and hours; a ratio to something measured beside it says what a change did.
"""
