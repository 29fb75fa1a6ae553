"""The request id, and the little that travels beside it: through tasks, threads, jobs and provider calls."""

import asyncio
import functools
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import MappingProxyType
from typing import Final, ParamSpec, TypeVar

from singr_observability._forks import forks
from singr_observability.redaction._redaction import redact_text

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

correlation_id: Final[ContextVar[str | None]] = ContextVar("singr_correlation_id", default=None)
"""The id of the request that all current work belongs to; None outside of any."""

correlation_fields: Final[ContextVar[Mapping[str, object]]] = ContextVar(
    "singr_correlation_fields", default=MappingProxyType({})
)
"""What else every log line of the current work carries, such as `organization_id`."""

incoming_traceparent: Final[ContextVar[str | None]] = ContextVar("singr_traceparent", default=None)
"""The W3C trace context the current work came with; handed on as it is while tracing is off."""

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
_TRACEPARENT = re.compile(
    # What a later version may add goes out again in a header: it must be fit for one.
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?"
).fullmatch
_MAX_TRACEPARENT = 128


class _IdSource:
    """Random ids without a system call each; a process and its forks never share a sequence."""

    def __init__(self) -> None:
        self._bits: Callable[[int], int] | None = None

    def __call__(self) -> str:
        bits = self._bits
        if bits is None:
            forks.add(self)
            # Ids need to be unlike each other, not unguessable; a seed of 256 bits from the system makes them so.
            bits = self._bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311 — see above
        return f"{bits(128):032x}"

    def before_fork(self) -> None:
        """Nothing to hold."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Draw a seed of its own at the next call."""
        self._bits = None


_next_id = _IdSource()


def new_correlation_id() -> str:
    """Return a new id: 32 hexadecimal digits, unique for all practical purposes, not a secret."""
    return _next_id()


def accepted_correlation_id(presented: str) -> str | None:
    """Return a caller's id when it may be used (1 to 128 of `A-Za-z0-9._-`, no credential), else None."""
    if not _ACCEPTED_ID(presented):
        return None
    # It ends up in every log line: what looks like a credential put there by mistake is not taken.
    if ("_" in presented or "J" in presented) and redact_text(presented) != presented:
        return None
    return presented


def valid_traceparent(presented: str | None) -> str | None:
    """Return a `traceparent` header's value when it follows W3C Trace Context, else None."""
    if presented is None or len(presented) > _MAX_TRACEPARENT:
        return None
    return presented if _TRACEPARENT(presented) else None


@contextmanager
def correlation_scope(identifier: str | None, **fields: object) -> Iterator[str]:
    """Make `identifier` (None: a new one) the correlation id of the block; `fields` go onto each of its log lines.

    Scopes nest: an inner one adds to the outer one's fields. Yields the id.
    """
    chosen = identifier or new_correlation_id()
    id_token = correlation_id.set(chosen)
    fields_token = correlation_fields.set(
        {**correlation_fields.get(), **fields} if fields else correlation_fields.get()
    )
    try:
        yield chosen
    finally:
        correlation_id.reset(id_token)
        correlation_fields.reset(fields_token)


def bind_correlation(**fields: object) -> None:
    """Add fields to every later log line of the current request or job, such as `organization_id` once it is known.

    They end with the request, the job or the `correlation_scope` around.
    """
    correlation_fields.set({**correlation_fields.get(), **fields})


async def run_in_thread(func: Callable[_Params, _Result], /, *args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
    """Run a blocking function in the loop's thread pool with the caller's context: correlation id, trace, fields.

    `loop.run_in_executor` alone leaves the context behind, and the thread's log lines lose their request id.
    """
    return await run_in_executor(None, functools.partial(func, *args, **kwargs))


async def run_in_executor(executor: Executor | None, func: Callable[[], _Result], /) -> _Result:
    """As `run_in_thread`, in a pool of the caller's (Argon2's bounded one, for instance); None: the loop's own."""
    return await asyncio.get_running_loop().run_in_executor(executor, copy_context().run, func)
