"""Jobs in hand whose key waits, since the handler of one of them said that nothing of it shall start."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from singr_db.chores import Trouble
from singr_jobs.running._endings import Ended
from singr_jobs.running._line import Line
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._handing import HandOver

# Seconds before what could not be given back is tried again.
_RETRY = 0.5


class _Key(NamedTuple):
    organization_id: UUID
    type: str
    key: str


class HeldKeys:
    """Keeps such jobs from their start until it is written that their key waits, and then gives them back behind it.

    Args:
        lines: of this process.
        handing: gives them back.
        forget: called with jobs that are in hand no more.
    """

    def __init__(
        self, lines: Collection[Line], handing: HandOver, *, forget: Callable[[Sequence[ClaimedJob]], None]
    ) -> None:
        self._lines = lines
        self._handing = handing
        self._forget = forget
        self._kept: dict[UUID, tuple[_Key, list[tuple[Line, ClaimedJob]]]] = {}  # by the job that held the key back
        self._over: list[tuple[Line, ClaimedJob]] = []
        self._wake = asyncio.Event()

    def hold(self, job: ClaimedJob, ended: Ended) -> None:
        """This outcome, yet to be written, holds the job's key back: what waits of it here begins no more."""
        if not ended.holds_key or ended.status != "pending" or job.key is None:
            return
        key = _Key(job.organization_id, job.type, job.key)
        kept = [(line, one) for line in self._lines for one in line.part_with(lambda one: _key_of(one) == key)]
        self._kept[job.id] = key, kept

    def keeps(self, line: Line, job: ClaimedJob) -> bool:
        """Whether a job that comes into hand is kept, since its key was held back just now."""
        if self._kept and (key := _key_of(job)) is not None:
            for held, kept in self._kept.values():
                if held == key:
                    kept.append((line, job))
                    return True
        return False

    def written(self, batch: Sequence[Ended]) -> None:
        """These outcomes are written: what they kept is given back, or ends here where somebody wants that by now."""
        for ended in batch if self._kept else ():
            _, kept = self._kept.pop(ended.job_id, (None, []))
            for line, job in kept:
                if job.stop_reason is not None:
                    line.ready.append(job)
                else:
                    self._over.append((line, job))
                    self._wake.set()

    def let_go_of_all(self) -> list[ClaimedJob]:
        """All that is kept: it is for the caller to give back."""
        jobs = [job for _, kept in self._kept.values() for _, job in kept] + [job for _, job in self._over]
        self._kept.clear()
        self._over.clear()
        return jobs

    async def run(self) -> None:
        """Give back until cancelled; what strikes it, it tries again."""
        trouble = Trouble("the giving back of jobs whose keys wait", module="jobs.runner")
        while True:
            await self._wake.wait()
            self._wake.clear()
            over, self._over = self._over, []
            try:
                for queue in {line.queue for line, _ in over}:
                    await self._handing.let_wait_behind_keys(queue, [job for line, job in over if line.queue == queue])
                trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                trouble.met(error)
                self._over += over
                self._wake.set()
                await asyncio.sleep(_RETRY)
            else:
                self._forget([job for _, job in over])


def _key_of(job: ClaimedJob) -> _Key | None:
    return None if job.key is None else _Key(job.organization_id, job.type, job.key)
