"""Retention: weeks that have served their time are dropped whole, and what is still wanted of them is kept.

Of jobs, here; whoever has other tables by weeks lets go of theirs by the same means.
"""

from singr_db._partitions import parse_partition
from singr_db.retention._retain import Report, Span, foresee, retain, retaining, server_time
from singr_db.retention._turns import Turn, last_turns, note_turn
from singr_db.retention._weeks import (
    Connection,
    HeldUpError,
    alone,
    drop_gone,
    let_go,
    looking,
    patiently,
    refuse_to_wait,
    remember,
    watch,
    weeks_of,
)

__all__ = [
    "Connection",
    "HeldUpError",
    "Report",
    "Span",
    "Turn",
    "alone",
    "drop_gone",
    "foresee",
    "last_turns",
    "let_go",
    "looking",
    "note_turn",
    "parse_partition",
    "patiently",
    "refuse_to_wait",
    "remember",
    "retain",
    "retaining",
    "server_time",
    "watch",
    "weeks_of",
]
