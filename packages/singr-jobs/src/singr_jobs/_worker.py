"""The parts of a worker process, started and stopped together."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import redis.asyncio

from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_db.limits import RateLimiter
from singr_db.redis import cancel_until_ended
from singr_jobs.declare._errors import DeclarationError, JobsError
from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import Queue
from singr_jobs.flows._keeper import FlowKeeper
from singr_jobs.intake._waker import Waker
from singr_jobs.keys._promoter import Promoter, SlotSweeper
from singr_jobs.maintenance._auditor import Auditor
from singr_jobs.maintenance._clearer import Clearer
from singr_jobs.maintenance._counter import Counter
from singr_jobs.maintenance._housekeeper import Housekeeper
from singr_jobs.maintenance._presence import Presence
from singr_jobs.maintenance._served import Served
from singr_jobs.maintenance._sweeper import Sweeper
from singr_jobs.minutes._keeper import MinuteKeeper
from singr_jobs.running._observer import GuardedObserver, JobObserver
from singr_jobs.running._runner import Runner
from singr_jobs.schedules._firing import Scheduler
from singr_jobs.schedules._turn import Requests
from singr_jobs.taking._dispatcher import Dispatcher
from singr_jobs.taking._handing import HandOver
from singr_jobs.taking._options import WorkerOptions
from singr_jobs.taking._tickets import TicketTransport
from singr_observability import get_logger

_log = get_logger("jobs.worker")


class JobWorker:
    """One process's worth of work: dispatcher, runner and sweeper on one event loop.

    Build it inside a running loop, `run` it as a task, and `stop` it to drain. Nothing that was accepted is lost when
    it is killed instead: leases bring its jobs back.

    Args:
        pool: plain psycopg connections with platform rights (`Database.psycopg`), at least 4.
        redis_client: for rates, and for wake-ups where the transport carries none; may be away.
        transport: carries tickets between workers.
        jobs: the job types this worker can run.
        resources: what handlers ask for with `ctx.resource(type)`.
        name: this process in logs and in `jobs.worker`.
        requests: how the sealed requests of HTTP callers' schedules become jobs; without, only others are fired here.

    Raises:
        DeclarationError: a handler needs a resource that was not passed.
    """

    _has_begun = False
    _is_hurried = False

    def __init__(
        self,
        pool: PsycopgPool,
        redis_client: redis.asyncio.Redis,
        transport: TicketTransport,
        jobs: Jobs,
        *,
        resources: Mapping[type, Any],
        name: str,
        options: WorkerOptions | None = None,
        observer: JobObserver | None = None,
        requests: Requests | None = None,
    ) -> None:
        _check_needs(jobs, resources)
        self.options = options or WorkerOptions()
        watching = GuardedObserver(observer or JobObserver())
        self._watching = watching
        self._pool = pool
        self._transport = transport
        self._waker = Waker(transport.carrier or redis_client)
        handing = HandOver(
            pool, transport, worker=name, lease=self.options.lease, sent=self._waker.tickets, back=self._back
        )
        self._runner = Runner(
            pool,
            jobs,
            self.options,
            resources=resources,
            worker=name,
            observer=watching,
            handing=handing,
            freed=self._freed,
            let_go=self._let_go,
            promoted=self._waker.wake,
        )
        self._dispatcher = Dispatcher(pool, self._runner, self.options, RateLimiter(redis_client), due=self._waker.wake)
        self._sweeper = Sweeper(
            pool, self.options, leases_fail=self._runner.leases_fail, waker=self._waker, observer=watching
        )
        served = Served(redis_client, queues=self.options.queues, types=jobs.runnable)
        self._presence = Presence(
            pool, name=name, queues=self.options.queues, types=jobs.runnable, in_hand=self.in_hand
        )
        self._minutes = MinuteKeeper(pool, watching.tally)
        self._housekeeper = Housekeeper(pool)
        self._auditor = Auditor(pool, waker=self._waker, observer=watching)
        self._clearer = Clearer(pool, observer=watching)
        self._counter = Counter(pool, served, queues=self.options.queues, observer=watching)
        self._flow_keeper = FlowKeeper(pool, waker=self._waker)
        self._scheduler = Scheduler(pool, waker=self._waker, requests=requests, observer=watching)
        self._promoter = Promoter(pool, jobs, poll=self.options.poll, waker=self._waker, due=self._dispatcher.wake)
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop` is called; returns when all work in hand is finished or handed back.

        Cancelled, it does the same. Cancelled once more it cuts off what is at work and hands that back, with no
        attempt counted; nothing keeps it from its end.

        Raises:
            JobsError: it runs already, or has run.
        """
        if self._has_begun:
            raise JobsError("this JobWorker runs already, or has run: make a new one for each `run()`")
        self._has_begun = True
        try:
            await self._work()
        finally:
            self._stopped.set()

    async def _work(self) -> None:
        self._transport.start(self.options.queues, accept=self._runner.accept, gate=self._runner.has_room)
        # Beside the rest, and not within it: whatever ends the worker, what was done is written down.
        writing = asyncio.create_task(self._runner.outcomes.run())
        serving = asyncio.create_task(self._runner.run())
        finding = self._begin_finding()
        stop = asyncio.create_task(self._stop.wait())
        _log.info("serving {}", ", ".join(self.options.queues))
        try:
            await asyncio.wait([stop, writing, serving, *finding], return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed = await self._end([*finding, stop], [serving, writing])
        for task in failed:
            task.result()

    async def _end(self, finding: list[asyncio.Task[Any]], doing: list[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
        """Drain, whoever cancels meanwhile, so that no task, thread or connection is left; gives what ended before."""
        ending, cancelled = asyncio.create_task(self._wind_up(finding, doing)), None
        while not ending.done():
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError as error:
                cancelled, self._is_hurried = error, True
                self._runner.cut_off()
        failed = ending.result()
        if cancelled is not None:
            raise cancelled
        return failed

    async def _wind_up(
        self, finding: list[asyncio.Task[Any]], doing: list[asyncio.Task[Any]]
    ) -> list[asyncio.Task[Any]]:
        await cancel_until_ended(finding)
        await _cancel(finding)
        await self._drain()
        failed = [task for task in [*doing, *finding] if task.done() and not task.cancelled()]
        await _cancel(doing)
        await _end_transport(self._transport.close)
        await self._waker.close()
        return failed

    def _begin_finding(self) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(self._housekeeper.run()),
            asyncio.create_task(self._dispatcher.run()),
            asyncio.create_task(self._sweeper.run()),
            asyncio.create_task(self._counter.run()),
            asyncio.create_task(self._presence.run()),
            asyncio.create_task(self._minutes.run()),
            asyncio.create_task(self._auditor.run()),
            asyncio.create_task(self._clearer.run()),
            asyncio.create_task(self._scheduler.run()),
            asyncio.create_task(self._promoter.run()),
            asyncio.create_task(SlotSweeper(self._pool).run()),
            asyncio.create_task(self._flow_keeper.run()),
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._transport.watch()),
        ]

    async def _drain(self) -> None:
        await _end_transport(self._transport.stop)
        await self._dispatcher.give_back()
        leaving = asyncio.create_task(self._presence.leave())  # beside the stop, which has 30 s in all
        await self._runner.stop(0.0 if self._is_hurried else self.options.grace)
        await leaving
        await self._minutes.leave()

    async def stop(self) -> None:
        """Ask `run` to drain, and wait until it has ended, in whatever way; returns at once where it never began."""
        self._stop.set()
        await asyncio.sleep(0)  # a task of `run` that has not had its first turn has it now, or was cancelled before
        if self._has_begun:
            await self._stopped.wait()

    def standing_work(self) -> list[Chore]:
        """Those of its chores that operators may see, pause and run."""
        return [self._housekeeper]

    async def carries(self) -> str | None:
        """Return None where wake-ups get through; else why not, in words."""
        try:
            await self._waker.probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is why they do not
            return self._waker.why(error) or type(error).__name__
        return None

    def refusals(self) -> list[str]:
        """Why no words or tickets come though who carries them answers: rights that are lacking, or an ended thread."""
        return [why for why in dict.fromkeys((self._waker.refusal, self._transport.refusal)) if why is not None]

    def unknown(self) -> dict[str, str]:
        """Of each queue with due jobs whose type no live worker runs from it, how many and which, in words."""
        return self._counter.unknown

    def overrun(self) -> dict[str, str]:
        """Of each queue of which this process takes nothing more, since too many handlers do not end, that in words."""
        return self._runner.overrun()

    def in_hand(self) -> dict[str, int]:
        """How many jobs of each queue this process has in hand now."""
        return {queue.value: self._runner.in_hand(queue) for queue in self.options.queues}

    def _freed(self, queue: Queue, *, has_place: bool = True) -> None:
        self._dispatcher.freed(queue, has_place=has_place)

    def _let_go(self, queue: Queue) -> None:
        """A job with a key has ended: the next one may be due now."""
        self._dispatcher.wake({queue})
        self._promoter.wake()

    def _back(self, queue: Queue) -> None:
        self._waker.wake((queue.value,))

    async def _listen(self) -> None:
        def misheard() -> None:
            self._watching.call(self._watching.observer.misheard)

        async for queues in self._waker.listen(
            cancelled=self._runner.cancel_requested, handed=self._transport.told, misheard=misheard
        ):
            self._dispatcher.wake(queues)
            self._promoter.wake()


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


async def _end_transport(step: Callable[[], None]) -> None:
    try:
        await asyncio.to_thread(step)
    except Exception as error:  # noqa: BLE001 - its tickets come back when their leases run out
        _log.warning("the ticket transport did not stop: {}", type(error).__name__)


def _check_needs(jobs: Jobs, resources: Mapping[type, Any]) -> None:
    missing = {
        f"{need.__name__} (for {job_type.name})"
        for job_type in jobs
        for need in job_type.needs
        if need not in resources
    }
    if missing:
        raise DeclarationError(f"the worker's resources lack {', '.join(sorted(missing))}")
