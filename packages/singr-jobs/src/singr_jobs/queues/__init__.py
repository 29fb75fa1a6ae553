"""Queues as operators steer them: paused and resumed, limited, and shared by weight, while they run.

`await pause_queue(session, Queue.EMAIL, reason="the provider is down")` within your own transaction; workers keep to it
from its commit on.

Needs the extra `singr-jobs[worker]`.
"""

from singr_jobs.declare._types import LONGEST_RATE, MOST_STARTS, SHORTEST_RATE

try:
    from singr_jobs.queues._health import (
        OLDEST_WITHIN,
        QueueHealth,
        QueueProblem,
        QueuesHealth,
        queue_health,
        queues_health,
    )
    from singr_jobs.queues._history import (
        HISTORY_MINUTES,
        LONGEST_HISTORY,
        Figures,
        MinuteFigures,
        QueueHistory,
        RecentFigures,
        TypeFigures,
        read_queue_history,
    )
    from singr_jobs.queues._settings import (
        RATES,
        OrganizationSettings,
        Pause,
        QueueSettingError,
        QueueSettings,
        QueueUnknownError,
    )
    from singr_jobs.queues._standing import QueueStanding, WorkerView, list_queues, list_workers, read_queue
    from singr_jobs.queues._store import (
        known_queues,
        pause_queue,
        read_all_queue_settings,
        read_queue_settings,
        resume_queue,
        set_queue,
    )
except ImportError as error:
    raise ImportError(
        f"singr_jobs.queues needs {error.name}: pip install 'singr-jobs[worker]'", name=error.name
    ) from error

__all__ = [
    "HISTORY_MINUTES",
    "LONGEST_HISTORY",
    "LONGEST_RATE",
    "MOST_STARTS",
    "OLDEST_WITHIN",
    "RATES",
    "SHORTEST_RATE",
    "Figures",
    "MinuteFigures",
    "OrganizationSettings",
    "Pause",
    "QueueHealth",
    "QueueHistory",
    "QueueProblem",
    "QueueSettingError",
    "QueueSettings",
    "QueueStanding",
    "QueueUnknownError",
    "QueuesHealth",
    "RecentFigures",
    "TypeFigures",
    "WorkerView",
    "known_queues",
    "list_queues",
    "list_workers",
    "pause_queue",
    "queue_health",
    "queues_health",
    "read_all_queue_settings",
    "read_queue",
    "read_queue_history",
    "read_queue_settings",
    "resume_queue",
    "set_queue",
]
