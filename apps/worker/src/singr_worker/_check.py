"""What would stop every worker process at its start, found by the first of them and said once."""

import asyncio
import traceback

from singr_comms import check_settings
from singr_config import Settings
from singr_db import DatabaseUrlError, PoolerError, refuse_transaction_pooling
from singr_jobs import check_carrier
from singr_worker._loading import JobsPathError, chosen_queues, load_jobs
from singr_worker._wiring import queue_options


def check(settings: Settings, *, queues: list[str], jobs: str) -> str:
    """Return what is wrong in words, or nothing; an error inside a module of jobs keeps its traceback."""
    if problems := [*check_settings(settings), *check_carrier(settings)]:
        return "\n".join(problems)
    try:
        load_jobs(jobs)  # first: it may declare queues
    except JobsPathError as error:
        return str(error)
    except Exception:  # noqa: BLE001 — whatever a user's module raises, every process would meet it again
        return traceback.format_exc()
    try:
        queue_options(settings, chosen_queues(queues))
        asyncio.run(refuse_transaction_pooling(settings.database.url))
    except (ValueError, DatabaseUrlError, PoolerError) as error:
        return str(error)
    return ""
