"""Which dead letters are meant: what an index leads to, and what is asked of each row that it finds."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import aliased

from singr_db import PlatformSession, TenantSession, first_id
from singr_db.tables import DeadLetter
from singr_db.tables import DeadLetterState as StoredState
from singr_jobs.dead._views import DeadLetterState
from singr_jobs.declare._checks import check_choice, check_id, check_moments, check_texts
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._types import Queue
from singr_jobs.memory._sessions import ReadsMemory


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Letters that fit all of it; what is left out fits any.

    Attributes:
        fingerprint: of failures of one kind.
        failed_after: inclusive.
        failed_before: exclusive.
    """

    state: DeadLetterState | None = None
    type: str | None = None
    queue: str | None = None
    error_code: str | None = None
    fingerprint: str | None = None
    job_id: UUID | None = None
    failed_after: datetime | None = None
    failed_before: datetime | None = None

    def check(self) -> None:
        """Raise QueueError or ValueError for what nothing has or nothing can be called."""
        if self.state is not None:
            check_choice("state", self.state, StoredState)
        if self.queue is not None:
            Queue(self.queue)
        if self.type is not None:
            check_name(self.type)
        check_texts(self, "error_code", "fingerprint")
        check_id("job_id", self.job_id)
        check_moments(self, "failed_after", "failed_before")

    @property
    def is_found_by_index(self) -> bool:
        """Whether every row that is looked at fits."""
        return not self._of_rows(DeadLetter, precisely=False)

    def looked(self, organization_id: UUID | None) -> Select[Any]:
        """The rows that an index leads to, of an organization or of all: in the order of ids, either way."""
        rows = select(DeadLetter)
        if organization_id is not None:
            rows = rows.where(DeadLetter.organization_id == organization_id)
        if self.state == "open":
            rows = rows.where(DeadLetter.state == StoredState.OPEN.value)
            if self.fingerprint is not None:
                rows = rows.where(DeadLetter.fingerprint == self.fingerprint)
        if self.job_id is not None:
            rows = rows.where(DeadLetter.job_id == self.job_id)
        if self.failed_after is not None:
            rows = rows.where(DeadLetter.id >= first_id(self.failed_after))
        if self.failed_before is not None:
            rows = rows.where(DeadLetter.id < first_id(self.failed_before, after=1))
        return rows

    def among(self, looked: Select[Any]) -> tuple[Select[Any], Any]:
        """Those of some rows that fit, and what their columns are columns of."""
        letter = aliased(DeadLetter, looked.subquery())
        return select(letter).where(*self.of_rows(letter)), letter

    def of_rows(self, letter: Any) -> list[ColumnElement[bool]]:
        """What is asked of each row that `looked` leads to."""
        return self._of_rows(letter, precisely=True)

    def _of_rows(self, letter: Any, *, precisely: bool) -> list[ColumnElement[bool]]:
        asked: list[ColumnElement[bool]] = []
        is_open = self.state == "open"
        for name in ("state", "type", "queue", "error_code", "fingerprint"):
            value = getattr(self, name)
            if value is not None and not (is_open and name in {"state", "fingerprint"}):
                asked.append(getattr(letter, name) == value)
        if precisely and self.failed_after is not None:
            asked.append(letter.failed_at >= self.failed_after)
        if precisely and self.failed_before is not None:
            asked.append(letter.failed_at < self.failed_before)
        return asked


def whose(session: TenantSession | PlatformSession | ReadsMemory, organization_id: UUID | None) -> UUID | None:
    """Of a tenant's session its own organization, whatever is named: the fence shows no other."""
    own: UUID | None = None if isinstance(session, PlatformSession) else session.organization_id
    return organization_id if own is None else own
