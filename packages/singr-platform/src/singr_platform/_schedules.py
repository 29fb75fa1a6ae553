"""How schedules of HTTP callers are sealed by the API, and become jobs in the worker: the same for both."""

from typing import Any

from singr_comms.notifications import MessageIntake, message_intakes
from singr_config import Settings
from singr_db import Sealer
from singr_jobs import Jobs
from singr_jobs.schedules import SealedRequests


def schedule_requests(settings: Settings, jobs: Jobs, sealer: Sealer) -> SealedRequests:
    """Return what seals requests for these jobs, and opens them when their times come."""
    return SealedRequests(jobs, request_intakes(settings, sealer), sealer)


def request_intakes(settings: Settings, sealer: Sealer) -> dict[type[Any], MessageIntake]:
    """What turns requests for messages into jobs; names for tests (`.test`) can be written to outside production."""
    return message_intakes(
        sealer, link_origins=settings.app.link_origins, allow_test=not settings.app.env.is_production
    )
