"""Handlers that are plain functions: each runs in a thread, where it holds up nothing but its own place."""

import asyncio
import contextlib
import inspect
import queue
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from singr_jobs._plain import kind_of
from singr_jobs.declare._context import JobContext, SyncJobContext
from singr_jobs.declare._errors import PermanentError
from singr_observability import get_logger

if TYPE_CHECKING:
    from singr_jobs.running._line import Line
    from singr_jobs.taking._claimed import ClaimedJob

T = TypeVar("T")

# Seconds that a function has to end by itself once its attempt is over: less than the runner has patience for.
_LAST_WORDS = 4.0
# Seconds that a thread without work is kept, and that a report of progress waits for its answer.
_IDLE = 30.0
_REPORTED = 5.0
# How much of a stack is told.
_FRAMES = 6

_log = get_logger("jobs.threads")


class _Call(msgspec.Struct):
    """One call of a function in a thread, and what came of it."""

    make: Callable[[], object]
    tell: Callable[[], None]
    thread: int | None = None
    result: object = None
    error: BaseException | None = None

    def stack(self) -> str:
        frame = sys._current_frames().get(self.thread or 0)  # noqa: SLF001 - the documented way to another thread's stack
        return "".join(traceback.format_list(traceback.extract_stack(frame)[-_FRAMES:])) if frame is not None else ""

    def outcome(self) -> object:
        """What the function returned; raises what it raised."""
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # its traceback leads here: a circle
        if inspect.isawaitable(self.result):
            if inspect.iscoroutine(self.result):
                self.result.close()
            raise PermanentError("not_runnable", "the handler is a plain function and returned an awaitable")
        return self.result


class ThreadPool:
    """Daemon threads, one for each call that runs at a time; whoever calls bounds how many that are.

    Neither `asyncio.to_thread` nor an executor: their threads are waited for when the process ends, however long they
    take, and a function that raises StopIteration leaves its future undone in Python 3.11.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)

    async def run(
        self,
        function: Callable[[Any, SyncJobContext], object],
        payload: object,
        context: JobContext,
        *,
        who: str = "the function",
        keep: Callable[[], Callable[[], None]] = lambda: lambda: None,
    ) -> object:
        """Call a handler in a thread, with the caller's context variables, and return what it returns.

        When this is cancelled, the function is told (`SyncJobContext.cancelled`) and has a few seconds to end. Where it
        does not, this ends without it: `keep` is called, and what that returned is called once the function has ended.

        Args:
            function: the handler.
            payload: its first argument.
            context: from which its second one is made.
            who: the job, for the log.
            keep: takes what the function still needs after this has ended, and returns what gives that back.
        """
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        inside = _inside(context, loop)
        call = _Call(partial(copy_context().run, function, payload, inside), partial(_end, ended, loop))
        self._start(call)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            inside.cancel_requested = True
            with contextlib.suppress(asyncio.CancelledError):  # told twice: its time is up
                await asyncio.wait([ended], timeout=_LAST_WORDS)
            if not ended.done():
                _goes_on(call, who, ended, keep())
                raise
            if inside.told:
                raise
        return call.outcome()

    def _start(self, call: _Call) -> None:
        if self._idle.acquire(blocking=False):
            self._calls.put(call)
        else:
            threading.Thread(target=self._work, args=(call,), name="singr-job", daemon=True).start()

    def _work(self, call: _Call | None) -> None:
        while call is not None:
            call.thread = threading.get_ident()
            try:
                call.result = call.make()
            except BaseException as error:  # noqa: BLE001 - the attempt hears of it
                call.error = error
            self._idle.release()  # first, so that whoever is told finds this thread idle, and starts no other
            call.tell()
            call = None
            call = self._next()

    def _next(self) -> _Call | None:
        while True:
            try:
                return self._calls.get(timeout=_IDLE)
            except queue.Empty:
                if self._idle.acquire(blocking=False):
                    return None


class Threads(ThreadPool):
    """The threads of a runner: as many as its queues have places, for a function holds its place until it has ended.

    Args:
        start_ready: starts what waits for a place of a line.
        freed: told that a queue has room again.
    """

    def __init__(self, *, start_ready: Callable[["Line"], None], freed: Callable[[Any], None]) -> None:
        super().__init__()
        self._start_ready = start_ready
        self._freed = freed

    def handler(
        self, function: Callable[[Any, Any], object], line: "Line", job: "ClaimedJob"
    ) -> Callable[[Any, JobContext], Awaitable[object]]:
        """An async handler that runs a plain one in a thread."""
        return partial(self.run, function, who=f"job {job.id} ({job.type})", keep=partial(self._keep, line, job))

    def _keep(self, line: "Line", job: "ClaimedJob") -> Callable[[], None]:
        line.keep_place(job, time.monotonic())
        return partial(self._free, line, job)

    def _free(self, line: "Line", job: "ClaimedJob") -> None:
        line.free_place(job, time.monotonic())
        self._start_ready(line)
        self._freed(line.queue)


def _end(ended: "asyncio.Future[None]", loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(ended.set_result, None)


def _goes_on(call: _Call, who: str, ended: "asyncio.Future[None]", give_back: Callable[[], None]) -> None:
    """The attempt is over, and its function is not: it is named now, and when it ends."""
    began = time.monotonic()
    _log.error(
        "{} goes on in its thread though its attempt is over: it is given up, and keeps its place until it ends:\n{}",
        who,
        call.stack(),
    )

    def over(_: object) -> None:
        how = "returned" if call.error is None else f"raised {kind_of(call.error)}"
        _log.warning("{}, which was given up, has {} after {:.1f} s", who, how, time.monotonic() - began)
        give_back()

    ended.add_done_callback(over)


def _inside(context: JobContext, loop: asyncio.AbstractEventLoop) -> SyncJobContext:
    async def reported(percent: int) -> None:
        await context.report(percent)

    def report(percent: int) -> None:
        reporting = reported(percent)
        try:
            done = asyncio.run_coroutine_threadsafe(reporting, loop)
        except RuntimeError:  # the loop is closed
            reporting.close()
            return
        with contextlib.suppress(Exception):  # a courtesy: never a reason to fail, nor to wait for long
            done.result(_REPORTED)

    def asked(read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(read(), loop).result()

    return SyncJobContext(
        context.job_id,
        context.organization_id,
        context.attempt,
        context.max_attempts,
        context.correlation_id,
        context.resources,
        report,
        read_flow=lambda: asked(context.flow),
        read_results=lambda: asked(context.results),
        note=context.note,
    )
