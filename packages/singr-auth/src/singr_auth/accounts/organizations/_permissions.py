"""What a person may do, remembered for half an hour and forgotten at once when it changes."""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol
from uuid import UUID

from singr_auth._principal import OrganizationError
from singr_auth.accounts.organizations._actor import ORGANIZATION_PERMISSIONS
from singr_config.constants import CACHE_SECONDS
from singr_db import Database, sql

_SIZE: Final = 10_000
_OF: Final = sql("""
    SELECT ARRAY(SELECT p.permission FROM role_permissions p WHERE p.role_id = m.role_id)
    FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.user_id = %s AND m.organization_id = %s AND u.status = 'active'
""")
_PLATFORM: Final = sql("""
    SELECT ARRAY(SELECT p.permission FROM role_permissions p WHERE p.role_id = r.id)
    FROM users u JOIN roles r ON r.id = u.role_id
    WHERE u.id = %s AND u.status = 'active' AND r.organization_id IS NULL
""")
_Key = tuple[UUID, UUID | None]


class ChangeFeed(Protocol):
    """Tells of changes of access; `AccessFeed` is one."""

    async def ensure_fresh(self) -> None:
        """Return once every change of half a second ago was told."""

    def subscribe(self, callback: Callable[[str, UUID | None], None]) -> None:
        """Call `callback(kind, subject)` for each change."""


class Permissions:
    """Which permissions a person holds, in an organization or on the platform.

    An answer is kept for `seconds`, and dropped as soon as the feed tells of a change, so that a role that was taken
    away is gone everywhere within a second. That somebody holds nothing is not remembered. Belongs to one event loop.

    Args:
        db: opened; look-ups use its `psycopg` pool.
        feed: tells of changes.
        seconds: how long an answer may be kept while nothing changes.
    """

    def __init__(self, db: Database, feed: ChangeFeed, *, seconds: float = CACHE_SECONDS.permissions) -> None:
        self._db = db
        self._feed = feed
        self._seconds = seconds
        self._known: dict[_Key, tuple[float, frozenset[str]]] = {}
        self._changes = 0
        feed.subscribe(self.forget)

    async def of(self, user_id: UUID, organization_id: UUID) -> frozenset[str]:
        """Return what a member may do in an organization; of the platform's own permissions never one.

        Raises:
            OrganizationError: they are no member of it, or may not use their account.
            psycopg.OperationalError, psycopg_pool.PoolTimeout, TimeoutError: the database does not answer.
        """
        found = await self._find((user_id, organization_id), _OF, (user_id, organization_id))
        if found is None:
            raise OrganizationError
        return found & ORGANIZATION_PERMISSIONS

    async def platform(self, user_id: UUID) -> frozenset[str]:
        """Return what a person may do on the platform as a whole; nothing for most people.

        Raises:
            psycopg.OperationalError, psycopg_pool.PoolTimeout, TimeoutError: the database does not answer.
        """
        return await self._find((user_id, None), _PLATFORM, (user_id,)) or frozenset()

    def forget(self, kind: str, subject: UUID | None) -> None:
        """Drop what a change concerns: `kind` is `user` or `organization`, None means all of them.

        The feed calls it: of a change of this process's own at its commit, of any other within half a second.
        """
        if kind not in {"user", "organization"}:
            return
        self._changes += 1  # what is being read now may be from before
        place = 0 if kind == "user" else 1
        for key in [key for key in self._known if subject is None or key[place] == subject]:
            del self._known[key]

    async def _find(self, key: _Key, statement: str, parameters: tuple[UUID, ...]) -> frozenset[str] | None:
        await self._feed.ensure_fresh()
        now = time.monotonic()
        entry = self._known.get(key)
        if entry is not None and entry[0] > now:
            return entry[1]
        changes = self._changes
        async with self._db.psycopg.connection() as connection:
            row: Any = await (await connection.execute(statement, parameters)).fetchone()
        if row is None:
            return None
        permissions = frozenset(row[0])
        if changes == self._changes:
            self._remember(key, (now + self._seconds, permissions))
        return permissions

    def _remember(self, key: _Key, entry: tuple[float, frozenset[str]]) -> None:
        self._known.pop(key, None)
        while len(self._known) >= _SIZE:
            del self._known[next(iter(self._known))]
        self._known[key] = entry
