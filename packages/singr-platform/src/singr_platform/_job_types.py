"""The job types of the platform: what callers may ask for, and what workers run."""

from singr_comms.notifications import message_jobs
from singr_comms.notifying import jobs as notifying_jobs
from singr_comms.people import jobs as people_jobs
from singr_jobs import Jobs


def all_jobs() -> Jobs:
    """Return every job type that Singr knows. A new library's `jobs` are included here."""
    return Jobs().include(message_jobs()).include(notifying_jobs).include(people_jobs)
