"""How schedules of HTTP callers are sealed by the API, and become jobs in the worker: the same for both."""

from singr_comms.notifications import message_intakes
from singr_config import Settings
from singr_db import Sealer
from singr_jobs import Jobs
from singr_jobs.schedules import SealedRequests


def schedule_requests(settings: Settings, jobs: Jobs, sealer: Sealer) -> SealedRequests:
    """Return what seals requests for these jobs, and opens them when their times come."""
    return SealedRequests(jobs, message_intakes(sealer, link_origins=settings.app.link_origins), sealer)
