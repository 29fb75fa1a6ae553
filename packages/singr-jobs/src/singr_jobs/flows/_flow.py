"""What a flow is made of, before it is stored."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

import msgspec

from singr_jobs._ambient import new_id
from singr_jobs._plain import shown
from singr_jobs.declare._checks import check_kind
from singr_jobs.declare._errors import EnqueueError, TooManyWaitsError, UnknownMemberError
from singr_jobs.declare._job_types import declared
from singr_jobs.declare._types import OnFailure, Priority, Queue

LONGEST_NAME: Final = 200
MOST_WAITS: Final = 10_000
"""What one `enqueue` may store of who waits for whom: so many pairs, or ten for each of its jobs where that is more."""
WAITS_PER_JOB: Final = 10
# Whatever a person writes in one line, as HTTP callers may: emoji with their joiners and every kind of space too.
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
STRANGER: Final = "a job can wait for members of its own flow that were added before it, and are not its completion job"
Stop: Final = OnFailure.STOP
Continue: Final = OnFailure.CONTINUE


class Member(msgspec.Struct, frozen=True):
    """A job of a flow: its id, by which others wait for it."""

    id: UUID


class Planned(msgspec.Struct, frozen=True):
    """A member to be: the job, with its options as `enqueue` takes them, and whom it waits for."""

    id: UUID
    job: msgspec.Struct
    after: tuple[UUID, ...]
    options: dict[str, Any]


class Flow:
    """Jobs that belong together, some of which wait for others; `enqueue` stores all of them, or none.

    flow = Flow("import", on_failure=Stop)
    parts = [flow.add(ImportPart(n)) for n in range(100)]
    flow.then(Report(), after=parts)
    await enqueue(session, flow, organization_id=organization_id)

    A job can wait only for jobs that were added before it, so a flow has no circle.

    Args:
        name: what it is called where people look at it, 200 characters at most.
        on_failure: with `Stop`, a member that fails for good stops the flow: it stands as `failed`, and what waits goes
            on waiting, until the member is queued again and completes, or is discarded, which cancels the rest; so does
            a member that is cancelled. With `Continue`, who waits for a member runs however that one ended.
        stays_open: members may be added later, until `close_flow`; before that the completion job does not run.
        flow_id: the id to give it (UUIDv7); enqueuing a flow of the same id again changes nothing.

    Raises:
        EnqueueError: the name or the policy is none.
    """

    def __init__(
        self, name: str, *, on_failure: OnFailure = Stop, stays_open: bool = False, flow_id: UUID | None = None
    ) -> None:
        try:
            check_kind("name", name, str, "a text, such as 'import 42'")
            self.on_failure = OnFailure(on_failure)
        except ValueError as error:
            raise EnqueueError(f"a flow's {error}" if "name" in str(error) else _POLICIES) from None
        if not 1 <= len(name) <= LONGEST_NAME or not _NAME.fullmatch(name):
            raise EnqueueError(f"a flow's name must be 1 to {LONGEST_NAME} characters in one line, not {shown(name)}")
        self.name = name
        self.stays_open = stays_open
        self.id = flow_id or new_id()
        self.is_new = True
        self.planned: list[Planned] = []
        self._ids: set[UUID] = set()
        self._waits = 0
        self.completion: Planned | None = None
        self.has_given_ids = flow_id is not None
        self.enqueued = 0

    @classmethod
    def existing(cls, flow_id: UUID) -> Self:
        """An open flow that is stored, to add members to: `enqueue` adds them, and raises where it is not open.

        A member finds the id of its own flow by `ctx.flow()`.
        """
        flow = cls("existing", stays_open=True, flow_id=flow_id)
        flow.is_new = False
        flow.has_given_ids = False  # its members' ids are as new as they are
        return flow

    @property
    def completion_id(self) -> UUID:
        """The id that the completion job has: one of the flow's, so there is one."""
        return UUID(int=self.id.int ^ 1)

    def add(
        self,
        job: msgspec.Struct,
        *,
        after: "Member | UUID | Iterable[Member | UUID]" = (),
        run_at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        queue: Queue | None = None,
        attempts: int | None = None,
        timeout: float | None = None,
        reference: str | None = None,
        labels: Sequence[str] = (),
        job_id: UUID | None = None,
    ) -> Member:
        """Add a job that runs at once, or once all of `after` have ended; the rest is as for `enqueue`.

        Raises:
            UnknownMemberError: it waits for what is no member.
            EnqueueError: the job's type is not declared, or `job_id` is that of another job of this flow.
        """
        declared(job)
        if job_id is not None:
            self._check_new(job_id)
        options = _options(run_at, priority, queue, attempts, timeout, reference, labels)
        planned = Planned(job_id or new_id(), job, self._known(after), options)
        self.planned.append(planned)
        self._ids.add(planned.id)
        self._waits += len(planned.after)
        self.has_given_ids |= job_id is not None
        return Member(planned.id)

    def then(
        self,
        job: msgspec.Struct,
        *,
        after: "Member | UUID | Iterable[Member | UUID] | None" = None,
        run_at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        queue: Queue | None = None,
        attempts: int | None = None,
        timeout: float | None = None,
        reference: str | None = None,
        labels: Sequence[str] = (),
    ) -> Member:
        """Say which job runs once all others have ended, and the flow is closed: its completion job.

        It finds how many ended how by `ctx.flow()`, and what came of the members of `after`, or of all, by
        `ctx.results()`.

        Raises:
            UnknownMemberError: as `add`.
            EnqueueError: the job's type is not declared, or there is a completion job.
        """
        declared(job)
        if not self.is_new:
            raise EnqueueError("a flow gets its completion job when it is made: there is no adding one later")
        if self.completion is not None:
            raise EnqueueError("a flow has one completion job: let others wait with add(…, after=)")
        named = () if after is None else self._known(after)
        if self._ids <= set(named):
            named = ()  # it waits for all of them as it is
        options = _options(run_at, priority, queue, attempts, timeout, reference, labels)
        self.completion = Planned(self.completion_id, job, named, options)
        return Member(self.completion_id)

    @property
    def members(self) -> Sequence[Planned]:
        """All that is to be stored, the completion job last."""
        return [*self.planned, *([self.completion] if self.completion is not None else [])]

    def named_elsewhere(self) -> set[UUID]:
        """Whom its jobs wait for and that it did not add before them: members that are stored, or nobody's."""
        added: set[UUID] = set()
        elsewhere: set[UUID] = set()
        for planned in self.planned:
            elsewhere.update(one for one in planned.after if one not in added)
            added.add(planned.id)
        return elsewhere

    def check_bounds(self) -> None:
        """Refuse what names too many pairs of a job and one that it waits for; raises TooManyWaitsError."""
        last = () if self.completion is None else (self.completion,)
        waits = self._waits + sum(len(planned.after) for planned in last)
        if waits > (most := max(MOST_WAITS, WAITS_PER_JOB * (len(self.planned) + len(last)))):
            raise TooManyWaitsError(waits, most)

    def check_unchanged(self) -> None:
        """Refuse what was added since this flow was stored; raises EnqueueError."""
        if len(self.members) > (self.enqueued or len(self.members)):
            raise EnqueueError(
                f"the flow {self.id} is stored, and has got members since: add these to Flow.existing(flow.id),"
                " and enqueue that"
            )

    def _check_new(self, job_id: UUID) -> None:
        if job_id == self.completion_id or job_id in self._ids:
            raise EnqueueError(f"job_id is that of another job of this flow: {shown(job_id)}")

    def _known(self, after: "Member | UUID | Iterable[Member | UUID]") -> tuple[UUID, ...]:
        named = [after] if isinstance(after, Member | UUID) else list(after)
        ids: tuple[Any, ...] = tuple(dict.fromkeys(one.id if isinstance(one, Member) else one for one in named))
        for one in ids:
            if not isinstance(one, UUID) or (self.is_new and one not in self._ids):
                raise UnknownMemberError(f"a job can wait for members that were added before it, not for {shown(one)}")
        return ids


_POLICIES: Final = "a flow's on_failure must be Stop or Continue"


def _options(  # noqa: PLR0917 - what `add` and `then` take, in their order
    run_at: datetime | None,
    priority: Priority,
    queue: Queue | None,
    attempts: int | None,
    timeout: float | None,
    reference: str | None,
    labels: Sequence[str],
) -> dict[str, Any]:
    how = {"run_at": run_at, "priority": priority, "queue": queue, "attempts": attempts, "timeout": timeout}
    return {**how, "reference": reference, "labels": labels}
