"""Handing notices over, so that who is told and who is not costs the same."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts.audit._events import device_name
from singr_auth.accounts.notices._notices import EmailTarget, Notice, Notifier, SecurityEventName, SecurityNotice
from singr_config.clock import clock
from singr_db import PlatformSession, TenantSession, sql_text
from singr_observability import get_logger

_log = get_logger("singr_auth.accounts")
AnySession = PlatformSession | TenantSession

EVEN_SECONDS: Final = 0.2
"""How long an answer takes that must not tell by its time whether there is an account; far more than its work does."""

_OWNER: Final = sql_text("SELECT name, email FROM users WHERE id = :user_id AND email IS NOT NULL")


@asynccontextmanager
async def evenly() -> AsyncIterator[None]:
    """Let the block take `EVEN_SECONDS`, refusals included.

    Inside, the work is the same for everybody as far as it can be; what differs still (a row that is kept weighs a
    little more than one that is taken back) does not show.
    """
    started = time.monotonic()
    try:
        yield
    except Exception:
        await even_out(started)
        raise
    await even_out(started)


async def even_out(started: float) -> None:
    """Wait until `EVEN_SECONDS` have passed since `started` (of `time.monotonic`)."""
    await asyncio.sleep(started + EVEN_SECONDS - time.monotonic())


async def send(session: AnySession, notifier: Notifier, notice: Notice, *, really: bool = True) -> None:
    """Hand a notice over in the caller's transaction.

    Args:
        session: the transaction of the change.
        notifier: delivers it.
        notice: what to tell.
        really: False: the same work is done and taken back, so that a caller cannot tell by the time it takes.
    """
    savepoint = await session.begin_nested()
    await notifier.notify(session, notice)
    if really:
        await savepoint.commit()
    else:
        await savepoint.rollback()


@asynccontextmanager
async def undone_alone(session: AnySession, event: str) -> AsyncIterator[None]:
    """Let the block tell somebody of a change that must stand even if they cannot be told.

    A failure is logged, and undone without what came before it in the transaction.
    """
    try:
        async with session.begin_nested():
            yield
    except Exception as error:  # noqa: BLE001 — whatever it is, it must not undo the caller's change
        _log.error("nobody was told of {}: {}", event, type(error).__name__)


def security_notice(to: EmailTarget, event: SecurityEventName, client: ClientInfo | None) -> SecurityNotice:
    """Say that something happened now, and from where as far as known."""
    return SecurityNotice(
        to=to,
        event=event,
        occurred_at=clock.now(),
        address=client.address if client else None,
        device=device_name(client.user_agent) if client and client.user_agent else None,
    )


async def send_security_notice(
    session: AnySession,
    notifier: Notifier,
    to: EmailTarget,
    event: SecurityEventName,
    client: ClientInfo | None,
    *,
    really: bool = True,
) -> None:
    """Tell the owner of an account what changed, and from where as far as known; otherwise as `send`."""
    await send(session, notifier, security_notice(to, event, client), really=really)


class OwnerNotices:
    """Sends security notices to the owners of accounts."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def send(
        self, session: PlatformSession, user_id: UUID, event: SecurityEventName, client: ClientInfo | None
    ) -> None:
        """Tell a user what changed, in the caller's transaction; nobody, where the account has no address any more.

        Args:
            session: the transaction of the change.
            user_id: whose account changed.
            event: what changed.
            client: from where; None: by somebody else, whose address is not the user's business.
        """
        owner = (await session.execute(_OWNER, {"user_id": user_id})).one_or_none()
        if owner is None:
            return
        to = EmailTarget(owner.email, owner.name, user_id)
        await send_security_notice(session, self._notifier, to, event, client)

    async def send_safely(
        self, session: PlatformSession, user_id: UUID, event: SecurityEventName, client: ClientInfo | None
    ) -> None:
        """As `send`, where the change must stand even if nobody can be told."""
        async with undone_alone(session, event):
            await self.send(session, user_id, event, client)
