"""Why a bulk action cannot be."""

from typing import Literal

from singr_jobs.declare._errors import JobsError


class BulkActionError(JobsError):
    """A bulk action cannot be what was asked for; nothing of it is stored.

    Attributes:
        field: which field, as `act_in_bulk` calls it.
        message: what would be right.
        code: `filter-too-wide`; of all else `invalid`.
    """

    def __init__(self, field: str, message: str, *, code: Literal["invalid", "filter-too-wide"] = "invalid") -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message
        self.code: Literal["invalid", "filter-too-wide"] = code


class BulkActionNotFoundError(JobsError):
    """There is no such bulk action in this organization."""


class BulkActionEndedError(JobsError):
    """The bulk action is done, or was stopped, already.

    Attributes:
        state: which of both.
    """

    def __init__(self, state: str) -> None:
        super().__init__(f"the bulk action is {state} already")
        self.state = state
