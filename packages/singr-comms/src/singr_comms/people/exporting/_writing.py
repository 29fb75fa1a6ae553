"""The document: lists one after another, a page of rows at a time, so that no more than that is held at once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.notifications._rows import prints_of
from singr_comms.people.exporting._tables import AT_ONCE, LISTS, TO_ADDRESS, Listed
from singr_comms.people.privacy._prints import prints_of_email
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer, sql_text
from singr_db.tables import Recipient

_FIRST: Final = UUID(int=0)
_encode: Final = msgspec.json.Encoder().encode
_GOES_ON: Final = sql_text(
    """
SELECT EXISTS (SELECT FROM data_exports AS e WHERE e.id = :export_id AND e.state = 'queued'
    AND (e.recipient_id IS NULL OR EXISTS (SELECT FROM recipients AS r WHERE r.id = e.recipient_id)))
""",
    roles=("tenant",),
)
# Who was sent what before they were taken off the list and came back: of another account it was somebody else.
_FORMER: Final = sql_text(
    """
SELECT recipient_id FROM data_keys
 WHERE organization_id = :organization_id AND external_id = :external_id AND recipient_id IS NOT NULL
   AND user_id IS NOT DISTINCT FROM CAST(:account AS uuid)
""",
    roles=("tenant",),
)
# An address that somebody else has too may be theirs.
_THEIRS_ALONE: Final = sql_text(
    """
SELECT print FROM unnest(CAST(:hashes AS bytea[])) AS given(print)
 WHERE NOT EXISTS (SELECT FROM recipients AS r WHERE r.organization_id = :organization_id
                      AND r.id <> ALL (CAST(:recipient_ids AS uuid[]))
                      AND (r.email_hash = print OR r.phone_hash = print))
""",
    roles=("tenant",),
)


class WithdrawnError(Exception):
    """The person was erased while their data was being written out."""


async def document(head: Mapping[str, Any], rows: AsyncIterator[tuple[str, Mapping[str, Any]]]) -> AsyncIterator[bytes]:
    """One JSON object: what `head` has, and a list for each name that rows come with.

    Args:
        head: what stands at the beginning; not empty.
        rows: each with the name of its list; those of one list follow one another.
    """
    yield _encode(head)[:-1]
    current: str | None = None
    async for name, row in rows:
        if name == current:
            yield b",\n" + _encode(row)
        else:
            yield (b"" if current is None else b"]") + b",\n" + _encode(name) + b":[\n" + _encode(row)
        current = name
    yield b"}\n" if current is None else b"]}\n"


class PersonRows:
    """Reads all rows of one person.

    Args:
        db: the database.
        sealer: finds what was sent to them under former secrets, too.
        export_id: what they are read for: once it is withdrawn, nothing more is.
    """

    def __init__(self, db: Database, sealer: Sealer, export_id: UUID) -> None:
        self._db, self._sealer, self._export_id = db, sealer, export_id

    async def of_recipient(
        self, organization_id: UUID, recipient_id: UUID | None, addresses: Sequence[str] | None
    ) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """Those of one organization.

        What names an address alone is told of those that whoever reads the export has proved to be theirs. The
        organization can give a recipient any number, device or, beside an account, e-mail address: somebody else's.

        Args:
            organization_id: the organization.
            recipient_id: by whom it reaches them, if it does.
            addresses: all that their account has proved; None without one: the export goes to the e-mail address.

        Raises:
            WithdrawnError: they were erased meanwhile; nothing that was read of them may be kept.
        """
        values = await self._who(organization_id, recipient_id, addresses)
        for listed in LISTS:
            async for row in self._pages(organization_id, organization_id, listed, values):
                yield listed.name, row

    async def of_account(self, organization_id: UUID, addresses: Sequence[str]) -> AsyncIterator[Mapping[str, Any]]:
        """What the platform itself sent to these addresses; the export is the organization's.

        Raises:
            WithdrawnError: as above.
        """
        values = {"organization_id": PLATFORM_ORGANIZATION_ID, "limit": AT_ONCE, "recipient_ids": [], "account": None}
        values["hashes"] = [one for address in addresses for one in prints_of(self._sealer, address)]
        async for row in self._pages(organization_id, PLATFORM_ORGANIZATION_ID, TO_ADDRESS, values):
            yield row

    async def _who(
        self, organization_id: UUID, recipient_id: UUID | None, addresses: Sequence[str] | None
    ) -> dict[str, Any]:
        prints = {one for address in addresses or () for one in prints_of(self._sealer, address)}
        ids: list[UUID] = []
        values: dict[str, Any] = {"organization_id": organization_id, "limit": AT_ONCE, "account": None}
        async with self._db.tenant(organization_id) as session:
            row = None if recipient_id is None else await session.get(Recipient, recipient_id)
            if row is not None:
                if addresses is None:
                    prints |= await prints_of_email(session, row, self._sealer)
                else:
                    values["account"] = row.user_id
                former = values | {"external_id": row.external_id, "account": row.user_id or row.last_user_id}
                ids = [row.id, *(await session.scalars(_FORMER, former)).all()]
            elif recipient_id is not None:
                raise WithdrawnError
            values |= {"recipient_ids": ids, "hashes": list(prints)}
            return values | {"hashes": [bytes(one) for one in await session.scalars(_THEIRS_ALONE, values)]}

    async def _pages(
        self, asked_in: UUID, organization_id: UUID, listed: Listed, values: dict[str, Any]
    ) -> AsyncIterator[Mapping[str, Any]]:
        after = _FIRST
        while True:
            async with self._db.tenant(asked_in) as session:
                if not await session.scalar(_GOES_ON, {"export_id": self._export_id}):
                    raise WithdrawnError
            async with self._db.tenant(organization_id) as session:
                rows = (await session.execute(listed.statement, values | {"after": after})).mappings().all()
            for row in rows:
                yield dict(row)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1]["at"]
