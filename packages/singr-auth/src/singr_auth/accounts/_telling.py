"""Handing notices over, so that who is told and who is not costs the same."""

import datetime as dt

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._events import device_name
from singr_auth.accounts._notices import EmailTarget, Notice, Notifier, SecurityEventName, SecurityNotice
from singr_db import PlatformSession, TenantSession

AnySession = PlatformSession | TenantSession


async def tell(session: AnySession, notifier: Notifier, notice: Notice, *, really: bool = True) -> None:
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


async def tell_of_change(
    session: AnySession,
    notifier: Notifier,
    to: EmailTarget,
    event: SecurityEventName,
    client: ClientInfo | None,
    *,
    really: bool = True,
) -> None:
    """Tell the owner of an account what changed, and from where as far as known; otherwise as `tell`."""
    notice = SecurityNotice(
        to=to,
        event=event,
        occurred_at=dt.datetime.now(dt.UTC),
        address=client.address if client else None,
        device=device_name(client.user_agent) if client and client.user_agent else None,
    )
    await tell(session, notifier, notice, really=really)
