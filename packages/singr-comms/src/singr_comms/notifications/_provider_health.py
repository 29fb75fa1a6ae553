"""What operators see of providers, and what they force."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from psycopg.rows import dict_row
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from singr_comms._errors import CommsError
from singr_comms.notifications.sending._health import is_let_be
from singr_db import PsycopgPool, sql, sql_text
from singr_db.operation_log import actor_of, checked_reason, log_operation

Force = Literal["open", "closed"]
"""`open`: call it not at all. `closed`: call it, whatever came of the calls before."""

_VIEWS: Final = """
SELECT h.channel, h.provider, h.failures, h.code, h.message, h.opened_at, h.probe_at, h.rate_count, h.rate_seconds,
       CASE WHEN h.next_at > now() THEN h.next_at END AS next_at,
       CASE WHEN h.forced_until > now() THEN h.forced END AS forced, h.forced_until, h.forced_by, h.forced_reason,
       r.since AS refused_since, r.code AS refused_code, r.message AS refused_message
  FROM provider_health h LEFT JOIN provider_refusals r ON r.channel = h.channel AND r.provider = h.provider
 ORDER BY h.channel, h.provider
"""
_LIST: Final = sql_text(_VIEWS)
_LIST_BESIDE: Final = sql(_VIEWS)
_LOCK: Final = sql_text("""
SELECT CASE WHEN forced_until > now() THEN forced END AS forced
  FROM provider_health WHERE channel = :channel AND provider = :provider FOR UPDATE
""")
_FORCE: Final = sql_text("""
UPDATE provider_health
   SET forced = :state, forced_until = now() + :minutes * interval '1 minute', forced_by = :by, forced_reason = :reason
 WHERE channel = :channel AND provider = :provider
""")
_RELEASE: Final = sql_text("""
UPDATE provider_health SET forced = NULL, forced_until = NULL, forced_by = NULL, forced_reason = NULL
 WHERE channel = :channel AND provider = :provider
""")


class ProviderUnknownError(CommsError):
    """No worker calls a provider of this name for this channel."""


class ProviderFailure(msgspec.Struct, frozen=True, kw_only=True):
    """The last failure: a stable code, and words for people."""

    code: str | None
    message: str | None


class ProviderForce(msgspec.Struct, frozen=True, kw_only=True):
    """A state forced by an operator.

    Attributes:
        state: `open`: it is never called; `closed`: it is always called, whatever the outcome.
        until: when its circuit breaker decides again.
        by: who forced it.
        reason: the reason given.
    """

    state: Force
    until: datetime
    by: str | None
    reason: str | None


class ProviderRate(msgspec.Struct, frozen=True, kw_only=True):
    """The rate limit of a provider, across all worker processes.

    Attributes:
        messages: at most this many messages
        seconds: in this many seconds, evenly spaced.
        next_at: when the next message may be sent; null if now.
    """

    messages: int
    seconds: int
    next_at: datetime | None


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, as all worker processes see it.

    Attributes:
        channel: the channel that it delivers.
        name: as the settings name it.
        state: `closed` while it is called; `open` while its fallback is called instead, or messages wait; `refusing`
            while it refuses our account.
        failures: consecutive calls that failed through its own fault.
        failure: the last of them; null if there is none.
        opened_at: since when it has not been called; null while it is called.
        probe_at: when a message will probe whether it has recovered.
        refused_since: since when it has refused our account.
        forced: the state forced by an operator; null if none is.
        rate: its rate limit; null if it has none.
    """

    channel: str
    name: str
    state: Literal["closed", "open", "refusing"]
    failures: int
    failure: ProviderFailure | None
    opened_at: datetime | None
    probe_at: datetime | None
    refused_since: datetime | None
    forced: ProviderForce | None
    rate: ProviderRate | None


async def list_providers(session: AsyncSession) -> tuple[ProviderView, ...]:
    """Every provider that a worker has called messages for, by channel and name.

    Args:
        session: of `Database.platform()`.
    """
    return tuple(_view(row) for row in (await session.execute(_LIST)).mappings())


async def providers_beside(pool: PsycopgPool) -> tuple[ProviderView, ...]:
    """The same for who has a session open, which would wait for a second one as others wait for theirs.

    Args:
        pool: of `Database.psycopg`.
    """
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_LIST_BESIDE)
        return tuple(_view(row) for row in await cursor.fetchall())


async def force_provider(
    session: AsyncSession, channel: str, provider: str, state: Force, *, minutes: int, reason: str | None = None
) -> ProviderView:
    """Have a provider called, or not called, for a time, whatever comes of it; workers know within a second.

    Args:
        session: of `Database.platform()`, with its transaction open.
        channel: such as `email`.
        provider: its name.
        state: `open` or `closed`.
        minutes: for how long; 1 to 10,080 (a week).
        reason: why, for the operation log and whoever wonders.

    Raises:
        ProviderUnknownError: no worker calls a provider of this name.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    reason = checked_reason(reason)
    which = {"channel": channel, "provider": provider}
    before = await _forced(session, which)
    values = {**which, "state": state, "minutes": minutes, "by": actor_of(session), "reason": reason}
    await session.execute(_FORCE, values)
    await log_operation(
        session,
        "provider.force",
        f"{channel}/{provider}",
        before={"forced": before},
        after={"forced": state, "minutes": minutes},
        reason=reason,
    )
    return await _read(session, which)


async def release_provider(session: AsyncSession, channel: str, provider: str) -> ProviderView:
    """Judge a provider by what it does again. Takes and raises as `force_provider`."""
    which = {"channel": channel, "provider": provider}
    before = await _forced(session, which)
    await session.execute(_RELEASE, which)
    await log_operation(session, "provider.release", f"{channel}/{provider}", before={"forced": before})
    return await _read(session, which)


async def _forced(session: AsyncSession, which: dict[str, str]) -> str | None:
    row = (await session.execute(_LOCK, which)).one_or_none()
    if row is None:
        raise ProviderUnknownError(f"no worker calls {which['provider']} for {which['channel']}")
    forced: str | None = row.forced
    return forced


async def _read(session: AsyncSession, which: dict[str, str]) -> ProviderView:
    wanted = (which["channel"], which["provider"])
    return next(one for one in await list_providers(session) if (one.channel, one.name) == wanted)


def _view(given: RowMapping | dict[str, Any]) -> ProviderView:
    refused = given["refused_since"] is not None
    code, message = (given["refused_code" if refused else "code"], given["refused_message" if refused else "message"])
    forced = None
    if given["forced"] is not None:
        forced = ProviderForce(
            state=given["forced"], until=given["forced_until"], by=given["forced_by"], reason=given["forced_reason"]
        )
    is_open = is_let_be(given["forced"], is_open=given["opened_at"] is not None)
    return ProviderView(
        channel=given["channel"],
        name=given["provider"],
        state="open" if is_open else "refusing" if refused else "closed",
        failures=given["failures"],
        failure=None if code is None else ProviderFailure(code=code, message=message),
        opened_at=given["opened_at"],
        probe_at=given["probe_at"],
        refused_since=given["refused_since"],
        forced=forced,
        rate=None
        if given["rate_count"] is None
        else ProviderRate(messages=given["rate_count"], seconds=given["rate_seconds"], next_at=given["next_at"]),
    )
