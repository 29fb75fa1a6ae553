"""Windows of digests in tests: filled, due, closed, and what came of them."""

from datetime import timedelta
from typing import Any

import msgspec
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms.messages.digest import Digest
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifying import Audience, Digests
from singr_comms.people import (
    RecipientInput,
    put_recipient,
)

EVERYBODY = Audience(all=True)


class Sites:
    url_web = "https://singr.example"
    url_customer = "https://customers.singr.example"


async def put(crowd: Crowd, name: str = "ada", **given: Any) -> None:
    kept = {"name": "Ada", "email": "ada@example.org", "time_zone": "Europe/Berlin", "locale": "en"} | given
    async with crowd.db.tenant(crowd.organization) as session:
        view, _ = await put_recipient(session, name, RecipientInput(**kept), sealer=crowd.sealer)
    crowd.ids[name] = view.id


async def tell(crowd: Crowd, title: str, period: str = "daily", **options: Any) -> Any:
    data = {"title": title, "text": f"All about {title}."}
    given = {"channels": ["push", "email"], "to": EVERYBODY, "digest": period} | options
    told = await crowd.tell("plain", given.pop("to"), data=data, **given)
    await crowd.decide(told)
    return told


def digests(crowd: Crowd) -> Digests:
    return Digests(crowd.db, crowd.sealer, Sites())


async def due(crowd: Crowd, **ago: float) -> None:
    """Let the time of all windows have come."""
    await crowd.run(
        "UPDATE digest_windows SET closes_at = now() - CAST(:ago AS interval) WHERE closed_at IS NULL",
        ago=timedelta(**ago or {"seconds": 1}),
    )


async def made_digests(crowd: Crowd) -> list[tuple[str, str | None, Digest | None]]:
    """What came of digests: status, reason, and what the mail says."""
    asked = text(
        "SELECT m.status, m.error ->> 'code' AS code, m.content_sealed, k.wrapped, j.type AS job FROM messages AS m"
        " LEFT JOIN data_keys AS k ON k.id = m.key_id LEFT JOIN jobs AS j ON j.id = m.job_id WHERE m.kind = 'digest'"
        " ORDER BY m.id"
    )
    found = []
    async with crowd.db.platform() as session:
        for row in (await session.execute(asked)).all():
            assert (row.job == "email.send") is (row.status == "queued")
            said = (
                open_sealed(crowd.sealer, row.content_sealed, row.wrapped, context=CONTENT)
                if row.content_sealed
                else None
            )
            found.append((row.status, row.code, msgspec.json.decode(said, type=Digest) if said else None))
    return found


async def made(crowd: Crowd) -> list[tuple[str, str | None, list[str], int]]:
    """What came of digests: status, reason, titles, and how many more."""
    return [
        (status, code, [item.title for item in digest.items] if digest else [], digest.more if digest else 0)
        for status, code, digest in await made_digests(crowd)
    ]


async def rotated(crowd: Crowd, *, of: str = "true") -> None:
    """Let items name a secret that nobody knows; again: the one that they were sealed with."""
    altered = "set_byte(content_sealed, 1, 255 - get_byte(content_sealed, 1))"
    await crowd.run(f"UPDATE digest_items SET content_sealed = {altered} WHERE {of}")


async def rows(crowd: Crowd, statement: str) -> list[Any]:
    async with crowd.db.platform() as session:
        return list((await session.execute(text(statement))).all())
