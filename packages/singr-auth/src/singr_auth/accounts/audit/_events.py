"""The audit trail: every security event of a person or an organization, written with the change it speaks of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import CodeRefusedError
from singr_db import Database, PlatformSession, TenantSession, new_id, sql_text
from singr_observability import correlation_id

_LONGEST_DEVICE: Final = 100
_INSERT: Final = sql_text(
    """
    INSERT INTO security_events (id, user_id, organization_id, actor, kind, address, device, detail, correlation_id)
    VALUES (:id, :user_id, :organization_id, :actor, :kind, :address, :device, CAST(:detail AS jsonb), :correlation_id)
    """,
    roles=("platform", "tenant"),
)


async def record_event(
    session: PlatformSession | TenantSession,
    kind: str,
    *,
    user_id: UUID | None = None,
    organization_id: UUID | None = None,
    actor: str | None = None,
    client: ClientInfo | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one event in the caller's transaction.

    Args:
        session: the transaction of the change; for what must survive its failure, one of its own.
        kind: what happened, as `subject.verb`: "sign_in.succeeded", "sign_in.failed", "member.role_changed".
        user_id: the person concerned.
        organization_id: the organization it is about.
        actor: who did it: "user:<id>", a credential's key id or "system"; the person themselves, unless given.
        client: from where.
        detail: a few more words; never a secret, never an address in full.
    """
    row = {
        "id": new_id(),
        "user_id": user_id,
        "organization_id": organization_id,
        "actor": actor or (f"user:{user_id}" if user_id else "system"),
        "kind": kind,
        "address": client.address if client else None,
        "device": device_name(client.user_agent)[:_LONGEST_DEVICE] if client and client.user_agent else None,
        "detail": msgspec.json.encode(detail or {}).decode(),
        "correlation_id": correlation_id.get(None),
    }
    await session.execute(_INSERT, row)


@asynccontextmanager
async def noting_refusals(
    db: Database, kind: str, user_id: UUID, client: ClientInfo, **detail: Any
) -> AsyncIterator[None]:
    """Write an event where the block refuses a code, in a transaction of its own: the block's own is undone.

    Args:
        db: opened.
        kind: such as "second_factor.failed".
        user_id: whose code it was to be.
        client: from where.
        detail: a few more words; never the code.
    """
    try:
        yield
    except CodeRefusedError:
        async with db.platform() as session:
            await record_event(session, kind, user_id=user_id, actor="anonymous", client=client, detail=detail)
        raise


_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)


def device_name(user_agent: str) -> str:
    """Name a device for people: "Firefox on Linux"; the program's own name where it is no browser."""
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    words = user_agent.split()
    return browser or system or (words[0] if words else "unknown device")
