"""Queues as operators steer them: paused and resumed, limited, and shared by weight, while they run.

`await pause_queue(session, Queue.EMAIL, reason="the provider is down")` within your own transaction; workers keep to it
from its commit on.

Needs the extra `singr-jobs[worker]`.
"""

try:
    from singr_jobs.queues._settings import (
        LONGEST_REASON,
        RATES,
        OrganizationSettings,
        Pause,
        QueueSettingError,
        QueueSettings,
        QueueUnknownError,
    )
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
    "LONGEST_REASON",
    "RATES",
    "OrganizationSettings",
    "Pause",
    "QueueSettingError",
    "QueueSettings",
    "QueueUnknownError",
    "known_queues",
    "pause_queue",
    "read_all_queue_settings",
    "read_queue_settings",
    "resume_queue",
    "set_queue",
]
