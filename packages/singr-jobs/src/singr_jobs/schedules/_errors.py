"""What is wrong with a schedule, by its field."""

from typing import Literal

from singr_jobs._plain import shown
from singr_jobs.declare._errors import JobsError

ScheduleFault = Literal["invalid", "cron-invalid", "zone-unknown", "never-fires", "too-many"]


class ScheduleError(JobsError):
    """A schedule cannot be what was asked for; nothing of it is stored.

    Attributes:
        field: which field, as `schedule` calls it: `cron`, `time_zone`, `every`, `at`, `starts`, `ends`, `jitter` …
        message: what would be right.
        code: `cron-invalid`, `zone-unknown`, `never-fires` or `too-many`; of all else `invalid`.
    """

    def __init__(
        self,
        field: str,
        message: str,
        *,
        code: ScheduleFault = "invalid",
    ) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.code: ScheduleFault = code


class ScheduleNotFoundError(JobsError):
    """There is no such schedule in this organization."""


class ScheduleEndedError(JobsError):
    """The schedule has no times left: it can be replaced, but neither paused nor resumed."""


def no_organization(organization_id: object) -> ScheduleError:
    """Nobody has that id."""
    words = f"must be the id of an organization that exists, not {shown(organization_id)}"
    return ScheduleError("organization_id", words)
