"""Standing work: the chores that go on for as long as Singr runs, whichever process does them."""

from singr_auth.accounts import chores as account_chores
from singr_comms.notifications import chores as message_chores
from singr_comms.notifying import chores as notifying_chores
from singr_comms.people import chores as people_chores
from singr_config import RetentionSettings
from singr_db import Database
from singr_db import chores as database_chores
from singr_db.chores import Chore, build_chores
from singr_jobs import chores as job_chores
from singr_observability import Metrics

# Each file of these packages is a chore. A new library's room is named here.
_ROOMS = (database_chores, job_chores, message_chores, notifying_chores, people_chores, account_chores)


def standing_work(
    db: Database, metrics: Metrics | None = None, retention: RetentionSettings | None = None
) -> list[Chore]:
    """Return all chores of the platform, ready to `run()`; any number of processes may do so at once.

    Args:
        db: open for as long as they run.
        metrics: where those tell that have something to tell; they are left out unless given.
        retention: how long things are kept, for those that let go of them; they are left out unless given.
    """
    parts = (db, db.psycopg, metrics, retention)
    return build_chores([part for part in parts if part is not None], *_ROOMS)
