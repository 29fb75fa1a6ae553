"""How jobs end: every statement that ends one is built here, with all that must follow its end.

It stands beside the tables, since accounts end jobs too (those of a credential that is revoked) and know no job system.
"""

from singr_db.ending._dead_letters import AFTER_REQUEUING, AFTER_SETTLING, LINE_BYTES, LOG, LOG_BYTES, fingerprint
from singr_db.ending._flows import WOKEN
from singr_db.ending._follow_ups import AFTER_THE_END, HISTORY, IS_FOLLOWED
from singr_db.ending._job_ends import UNFINISHED, FollowUp, looked_at
from singr_db.ending._keys import LIMIT, RATE, RATE_SECONDS, same_key
from singr_db.ending._places import ALONE, ANY_RANK, PLACED_BY, RANK, REPRIORITIZE, SUSPECT, places
from singr_db.ending._statements import (
    CANCEL,
    CANCEL_FLOW,
    CANCEL_MANY,
    COMPLETE,
    HELD,
    LOSE,
    REPLACE,
    SETTLE,
    TRIMMED,
    End,
    cancel_where,
    end_jobs,
)

__all__ = [
    "AFTER_REQUEUING",
    "AFTER_SETTLING",
    "AFTER_THE_END",
    "ALONE",
    "ANY_RANK",
    "CANCEL",
    "CANCEL_FLOW",
    "CANCEL_MANY",
    "COMPLETE",
    "HELD",
    "HISTORY",
    "IS_FOLLOWED",
    "LIMIT",
    "LINE_BYTES",
    "LOG",
    "LOG_BYTES",
    "LOSE",
    "PLACED_BY",
    "RANK",
    "RATE",
    "RATE_SECONDS",
    "REPLACE",
    "REPRIORITIZE",
    "SETTLE",
    "SUSPECT",
    "TRIMMED",
    "UNFINISHED",
    "WOKEN",
    "End",
    "FollowUp",
    "cancel_where",
    "end_jobs",
    "fingerprint",
    "looked_at",
    "places",
    "same_key",
]
