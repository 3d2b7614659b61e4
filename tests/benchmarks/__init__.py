"""Speed and memory, as ratios measured in one run: `make bench`, and a short form of it in the gate.

Seconds differ between machines and hours. A ratio to what is measured beside it says what a change did.
docs/performance.md explains the table.

    serving     terminals and dashboards, as processes of their own
    measure     what a piece of work takes, several pieces in turns; a row of the table
    the rest    a part of the table each: `rows(scale)` yields it
"""
