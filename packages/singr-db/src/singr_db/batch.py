"""Group commit: what arrives while one commit is on its way shares the next; and its rows, as one parameter."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_READ = {
    "text": "item ->> {place}",
    "jsonb": "item -> {place}",
    "text[]": "CASE jsonb_typeof(item -> {place}) WHEN 'array' THEN"
    " ARRAY(SELECT jsonb_array_elements_text(item -> {place})) END",
    "bytea": "decode(item ->> {place}, 'base64')",
}


def read_arrays(columns: Mapping[str, str], rows: str) -> str:
    """Return what stands behind FROM to read rows that travel as one JSON array of arrays.

    Half of what the same rows cost as objects, in PostgreSQL: no names to sort, to keep and to find again.

    Args:
        columns: their names and SQL types, in the order of each array; bytes are base64.
        rows: the expression that gives the JSON.
    """
    read = (
        f"{_READ.get(kind, f'CAST(item ->> {{place}} AS {kind})').format(place=place)} AS {name}"
        for place, (name, kind) in enumerate(columns.items())
    )
    return f"(SELECT {', '.join(read)} FROM jsonb_array_elements(CAST({rows} AS jsonb)) AS each (item)) AS row"  # noqa: S608 - constants


Flush = Callable[[list[Item]], Awaitable[Sequence[Outcome | BaseException]]]


def _weightless(_item: object) -> int:
    return 0


class GroupCommit(Generic[Item, Outcome]):
    """Batches by itself: while one flush is on its way, what arrives forms the next.

    There is no timer, so an idle caller waits for nothing, and a busy one shares its round trip with its neighbours.
    `flush` answers each item in order with its outcome or the error that its caller shall see; when it raises, every
    caller of that batch gets the error.

    Args:
        flush: does a batch.
        max_batch: so many items share one at most.
        max_weight: so much do the items of one weigh together at most; what weighs more goes alone.
        weigh: gives an item's weight, say its bytes.
        lanes: so many flushes at a time.
    """

    def __init__(
        self,
        flush: Flush[Item, Outcome],
        *,
        max_batch: int = 512,
        max_weight: int = 0,
        weigh: Callable[[Item], int] = _weightless,
        lanes: int = 1,
    ) -> None:
        self._flush = flush
        self._max_batch = max_batch
        self._max_weight = max_weight
        self._weigh = weigh
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._free_lanes = lanes
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many items wait for the next flush."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Outcome:
        """Hand one item in and wait for its outcome."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._free_lanes:
            self._free_lanes -= 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def close(self) -> None:
        """Wait until everything handed in has been flushed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._flush_batch(self._next_batch())
        finally:
            self._free_lanes += 1

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        waiting = self._waiting
        batch = [waiting.popleft()]
        weight = self._weigh(batch[0][0])
        while waiting and len(batch) < self._max_batch:
            weight += self._weigh(waiting[0][0])
            if weight > self._max_weight:
                break
            batch.append(waiting.popleft())
        return batch

    async def _flush_batch(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._flush([item for item, _ in batch])
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else ConnectionError("interrupted"))
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue  # its caller went away; what was asked is done all the same
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
