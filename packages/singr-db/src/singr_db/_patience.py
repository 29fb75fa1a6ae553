"""Waiting for a server with patience, and saying who did not answer."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def answered_within(seconds: float, who: str) -> AsyncIterator[None]:
    """Give up on a server after so long.

    Raises:
        TimeoutError: with ETIMEDOUT, as the operating system's own, so that it is told apart from a time limit that a
            job's handler sets itself.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(errno.ETIMEDOUT, f"{who} did not answer within {seconds:g} s") from error
        raise
