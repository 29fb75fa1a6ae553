"""Exports: what writes them and takes them away again; a worker passes it to its jobs as a resource."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from singr_comms._errors import TransientError
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailAddress
from singr_comms.messages.data_export import DataExported
from singr_comms.notifications._queue import queue_message
from singr_comms.notifications._rows import RECIPIENT
from singr_comms.notifications.branding._names import is_fit_name
from singr_comms.notifications.branding._worn import Brands, NoBrands, Wardrobe, wears
from singr_comms.notifications.channels.email import EmailRequest
from singr_comms.notifications.sending._policy import next_look
from singr_comms.people.exporting._account import AccountData, NoAccounts
from singr_comms.people.exporting._job import HOURS, RemoveExport, key_of_export
from singr_comms.people.exporting._leftovers import remove_leftovers
from singr_comms.people.exporting._opening import Opener
from singr_comms.people.exporting._tables import WORN
from singr_comms.people.exporting._writing import PersonRows, WithdrawnError, document
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, ObjectStoreSettings
from singr_config.clock import clock
from singr_db import (
    PLATFORM_ORGANIZATION_ID,
    Database,
    FolderObjectStore,
    ObjectStore,
    Sealer,
    SealError,
    SharedObjectStore,
    TenantSession,
    made_at,
    sql_text,
)
from singr_jobs import PermanentError, RetryLater, enqueue
from singr_observability import get_logger

_LASTS: Final = timedelta(hours=HOURS)
# For as long an object is remembered that lies in a store which is switched off.
_STORE_IS_AWAITED: Final = timedelta(days=90)
_AGAIN_S: Final = 3600.0
_NO_STORE: Final = "no object store is configured: set S3_BUCKET and what belongs to it"
_READ: Final = sql_text(
    """
SELECT e.recipient_id, e.user_id, e.state, e.expires_at <= now() AS is_over, r.user_id AS account,
       extract(epoch FROM now() - e.created_at)::float8 AS waited,
       extract(epoch FROM e.expires_at - now())::float8 AS remaining
  FROM data_exports AS e LEFT JOIN recipients AS r ON r.id = e.recipient_id WHERE e.id = :id
""",
    roles=("tenant",),
)
_HOLD: Final = sql_text(
    """
SELECT r.email_sealed, r.locale, (SELECT wrapped FROM data_keys AS k WHERE k.id = r.key_id) AS key_wrapped,
       coalesce(r.address_changed_at > e.created_at, false) AS is_elsewhere
  FROM data_exports AS e JOIN recipients AS r ON r.id = e.recipient_id WHERE e.id = :id FOR SHARE OF r
""",
    roles=("tenant",),
)
_READY: Final = sql_text(
    """
UPDATE data_exports SET state = 'ready', ready_at = now(), expires_at = now() + CAST(:lasts AS interval)
 WHERE id = :id AND state = 'queued' RETURNING expires_at
""",
    roles=("tenant",),
)
_GONE: Final = sql_text("DELETE FROM data_exports WHERE id = :id AND expires_at <= now()", roles=("tenant",))
_ENDED: Final = sql_text("DELETE FROM data_exports WHERE id = :id AND state = 'queued'", roles=("tenant",))
_NAME: Final = sql_text("SELECT name FROM organizations WHERE id = :id", roles=("tenant",))
_LOCALE: Final = sql_text("UPDATE messages SET locale = :locale WHERE id = :id", roles=("tenant",))
_LINK: Final = sql_text("UPDATE data_exports SET message_id = :message_id WHERE id = :id", roles=("tenant",))
_log = get_logger("comms.exports")


class Exports:
    """Writes everything that is kept about people into the object store, and mails them the link.

    Args:
        db: the database.
        sealer: made from `AUTH_SECRET`; opens what is sealed.
        objects: where exports go; the store is opened when the first one is written, and closed by `close`.
        accounts: knows accounts.
        brand: whose messages they were, where organizations' own look is not known.
        brands: what organizations' messages wore.
        own_names: what the platform writes as, beside its brand's name (`Settings.own_names`): the mail says no
            organization's name that passes for one of them.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        objects: ObjectStoreSettings,
        *,
        accounts: AccountData | None = None,
        brand: BrandSettings = DEFAULT_BRAND,
        brands: Brands | None = None,
        own_names: Collection[str] = (),
    ) -> None:
        self._db, self._sealer, self._shared = db, sealer, SharedObjectStore(objects)
        self._accounts: AccountData = accounts or NoAccounts()
        self._opener, self._brands = Opener(sealer, brand), brands or NoBrands()
        self._own_names = tuple(dict.fromkeys((brand.name, *own_names)))
        self._is_said = False

    async def write(self, export_id: UUID, organization_id: UUID) -> str:
        """Write one; again is as once.

        Returns what became of it: `ready`, `withdrawn`, `no_address`, or `address_changed` since it was asked for.

        Raises:
            TransientError: there is no object store.
            ObjectStoreError: the store refused, or did not answer.
            RetryLater: this process lacks a secret, and leaves it to one that has it; nothing is written.
            PermanentError: none had it within the day.
        """
        store = await self._objects()
        asked = await self._asked(export_id, organization_id)
        if asked is None or asked.state == "withdrawn":
            return await self._not(export_id, organization_id, "withdrawn")
        if asked.state == "ready":  # the process ended before it could say so
            return "ready"
        head = {"format": 1, "made_at": clock.now(), "organization_id": organization_id}
        rows = self._rows(export_id, organization_id, asked)
        try:
            await store.put_stream(key_of_export(export_id), document(head, rows), "application/json")
            link = await store.presign(key_of_export(export_id), HOURS * 3600)
            outcome = await self._told(export_id, organization_id, asked, link)
        except WithdrawnError:
            return await self._not(export_id, organization_id, "withdrawn")
        except SealError as error:
            await store.delete(key_of_export(export_id))  # it may be whole, and nobody can be told where it is
            raise self._left(export_id, asked, error) from error
        self._is_said = False
        return outcome if outcome == "ready" else await self._not(export_id, organization_id, outcome)

    async def remove(self, export_id: UUID, organization_id: UUID) -> bool:
        """Remove one whose time is over; whether it was. Of one that is unknown here, the object goes as well.

        Raises:
            RetryLater: the store is switched off: the object may still lie there when it is on again.
            ObjectStoreError: the store refused, or did not answer.
        """
        asked = await self._asked(export_id, organization_id)
        if asked is not None and not asked.is_over:
            return False
        if self._shared.configured:
            await (await self._shared.store()).delete(key_of_export(export_id))
        elif clock.now() - made_at(export_id) < _STORE_IS_AWAITED:
            raise RetryLater(_AGAIN_S, "no_object_store", _NO_STORE, counts=False)
        async with self._db.tenant(organization_id) as session:
            await session.execute(_GONE, {"id": export_id})
        return True

    async def remove_leftovers(self) -> int:
        """Remove what lies in the store and is nobody's any more; how many objects. Raises as `remove` does."""
        return await remove_leftovers(self._db, self._shared)

    async def close(self) -> None:
        """Let go of the store."""
        await self._shared.close()

    async def _objects(self) -> ObjectStore | FolderObjectStore:
        if not self._shared.configured:
            raise TransientError("no_object_store", _NO_STORE)
        return await self._shared.store()

    async def _asked(self, export_id: UUID, organization_id: UUID) -> Any:
        async with self._db.tenant(organization_id) as session:
            return (await session.execute(_READ, {"id": export_id})).first()

    async def _not(self, export_id: UUID, organization_id: UUID, outcome: str) -> str:
        """Keep nothing of it; an attempt of before may have written it."""
        await (await self._objects()).delete(key_of_export(export_id))
        async with self._db.tenant(organization_id) as session:
            await session.execute(_ENDED, {"id": export_id})
        return outcome

    async def _rows(
        self, export_id: UUID, organization_id: UUID, asked: Any
    ) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        reader = PersonRows(self._db, self._sealer, export_id)
        user_id, whose = asked.user_id, asked.user_id or asked.account
        addresses = None if whose is None else await self._accounts.addresses(whose)
        if organization_id != PLATFORM_ORGANIZATION_ID:
            async for name, row in reader.of_recipient(organization_id, asked.recipient_id, addresses):
                worn = Wardrobe()
                if name in WORN and wears(row["type"]):
                    worn = await self._brands.wardrobe(organization_id, row["at"])
                yield name, self._opener.told(row, worn)
        if user_id is not None:
            async for name, row in self._accounts.rows(user_id):
                yield f"account_{name}", row
            async for row in reader.of_account(organization_id, addresses or ()):
                yield "account_messages", self._opener.told(row)

    async def _told(self, export_id: UUID, organization_id: UUID, asked: Any, link: str) -> str:
        """Mail the link, in the transaction that says that it works: nobody who is erased by then gets one."""
        account, whose = None, asked.user_id or asked.account
        if whose is not None:
            account = await self._accounts.address(whose)
            if account is None:
                return "withdrawn" if asked.user_id is not None else "no_address"
        async with self._db.tenant(organization_id) as session:
            to, locale = account, None
            if asked.recipient_id is not None:
                held = (await session.execute(_HOLD, {"id": export_id})).first()
                if held is None:
                    return "withdrawn"
                if held.is_elsewhere:
                    return "address_changed"
                to, locale = account or self._address(held), held.locale
            if to is None:
                return "no_address"
            until = await session.scalar(_READY, {"id": export_id, "lasts": _LASTS})
            if until is None:
                return "withdrawn"
            message_id = await self._mailed(session, to, locale, link, asked.user_id)
            await session.execute(_LINK, {"id": export_id, "message_id": message_id})
            await enqueue(session, RemoveExport(export_id), organization_id=organization_id, run_at=until)
        return "ready"

    def _address(self, row: Any) -> EmailAddress | None:
        sealed = self._opener.opened(row.email_sealed, row.key_wrapped, RECIPIENT)
        return None if sealed is None else EMAIL.decoded(sealed)

    def _left(self, export_id: UUID, asked: Any, error: SealError) -> RetryLater | PermanentError:
        """Leave an export to a process that can open all of it, until its day is over."""
        wait = next_look(asked.waited)
        if asked.remaining <= wait:
            _log.error("the export {} is given up: nobody could open all of it for a day: {}", export_id, error)
            return PermanentError("unreadable", f"nobody could open all of it for a day: {error}")
        if not self._is_said:
            _log.error(
                "exports cannot be opened by this process and are left for another, such as {}: {}"
                " (AUTH_SECRET_PREVIOUS); they are tried for a day from when they were asked for",
                export_id,
                error,
            )
        self._is_said = True
        return RetryLater(wait, "unreadable", f"left for another: {error}", counts=False)

    async def _mailed(
        self, session: TenantSession, to: EmailAddress, locale: str | None, link: str, user_id: UUID | None
    ) -> UUID | None:
        organization_id = session.organization_id
        ours = organization_id == PLATFORM_ORGANIZATION_ID
        name = None if ours else await session.scalar(_NAME, {"id": organization_id})
        # It comes from the platform, whatever the reader chose: of an organization it says no more than a brand could.
        said = name if name is not None and is_fit_name(name, self._own_names) else None
        words = DataExported(
            download_link=link, expiry_days=HOURS // 24, organization_name=said, of_organization=not ours
        )
        request = EmailRequest(to=to, message=words, user_id=user_id)
        queued = await queue_message(session, request, sealer=self._sealer, organization_id=organization_id)
        if locale is not None:
            await session.execute(_LOCALE, {"id": queued.message_id, "locale": locale})
        return queued.message_id
