"""What is told of a message elsewhere, in an inbox, a digest or an export, is what was sent: words and language."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from comms_digest_windows import digests, due, made, put, tell
from comms_exports import kept_in
from sqlalchemy import text

from singr_comms import EmailAddress
from singr_comms.messages.plain import PlainEmail
from singr_comms.notifications import (
    BrandingInput,
    Brands,
    EmailRequest,
    OverrideInput,
    put_branding,
    put_override,
    queue_email,
)
from singr_comms.notifying import Target
from singr_comms.people import Exports, ask_export
from singr_comms.people.exporting._job import key_of_export
from singr_comms.people.inbox import inbox_changes, list_inbox
from singr_config import BrandSettings
from singr_db import FolderObjectStore

IN_FORCE = "UPDATE template_overrides SET starts_at = now() WHERE starts_at > now()"


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada, who reads German."""
    crowd = await Crowd.of(bench)
    await put(crowd, locale="de-AT")
    return crowd


def brands(crowd: Crowd) -> Brands:
    return Brands(crowd.db, brand=BrandSettings(), api_url="https://api.example")


async def words(crowd: Crowd, channel: str, subject: str, locale: str = "de") -> None:
    """Own words of the organization, in force at once."""
    async with crowd.db.tenant(crowd.organization) as session:
        await put_override(session, "plain", channel, locale, OverrideInput(text="Own: {text}", subject=subject))
    await crowd.run(IN_FORCE)
    await asyncio.sleep(0.002)  # messages tell when they were made by the millisecond


async def exported(crowd: Crowd, folder: Path) -> Any:
    """Everything that an export tells of Ada."""
    settings = kept_in(folder)
    async with crowd.db.tenant(crowd.organization) as session:
        await ask_export(session, "ada", sealer=crowd.sealer)
    async with crowd.db.platform() as session:
        export_id = await session.scalar(text("SELECT id FROM data_exports"))
    assert await Exports(crowd.db, crowd.sealer, settings, brands=brands(crowd)).write(export_id, crowd.organization)
    return json.loads(await FolderObjectStore(settings).get(key_of_export(export_id)))


async def test_inbox_says_what_its_pushes_did_in_the_words_that_were_in_force(crowd: Crowd, tmp_path: Path) -> None:
    await tell(crowd, "plums", channels=["inbox"], digest=None)
    await words(crowd, "push", "Neu: {title}")
    await tell(crowd, "pears", channels=["inbox"], digest=None)
    await words(crowd, "push", "Heute: {title}")
    await words(crowd, "push", "New: {title}", locale="en")
    async with crowd.db.platform() as session:
        page = await list_inbox(session, crowd.sealer, crowd.ids["ada"], brands=brands(crowd))
        changed = await inbox_changes(session, crowd.sealer, crowd.ids["ada"], after=0, limit=9, brands=brands(crowd))
        bare = await list_inbox(session, crowd.sealer, crowd.ids["ada"])
    said = [("Neu: pears", "Own: All about pears."), ("plums", "All about plums.")]
    assert [(one.title, one.body) for one in page.items] == said
    assert sorted(changed, key=lambda one: one.position, reverse=True) == list(page.items)
    assert [one.title for one in bare.items] == ["pears", "plums"]
    told = (await exported(crowd, tmp_path))["inbox"]
    assert [(one["subject"], one["text"]) for one in reversed(told)] == said


async def test_digest_says_of_items_what_they_would_have_said(crowd: Crowd, tmp_path: Path) -> None:
    await tell(crowd, "plums")
    await words(crowd, "email", "Neu: {title}")
    await tell(crowd, "pears")
    await words(crowd, "email", "Heute: {title}")
    told = (await exported(crowd, tmp_path))["digests"]
    assert [one["subject"] for one in told] == ["plums", "Neu: pears"]
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert await made(crowd) == [("queued", None, ["plums", "Neu: pears"], 0)]


async def test_export_tells_what_is_to_go_to_a_bare_address_in_the_organizations_language(
    crowd: Crowd, tmp_path: Path
) -> None:
    async with crowd.db.tenant(crowd.organization) as session:
        await put_branding(session, BrandingInput(name="Farm", color="#0a6640", locale="de"))
    await crowd.run("UPDATE brandings SET starts_at = now() - interval '1 second'")
    data = {"farm_name": "Sunny", "order_number": "A-1", "pickup_place": "Gate", "link": "https://singr.example/o"}
    to = [Target(email="ada@example.org", data={"user_name": "Ada"})]
    await crowd.tell("order_ready", to, data=data, channels=["email"])
    [told] = (await exported(crowd, tmp_path))["notifications"]
    [target] = told["targets"]
    told_in = (target["locale"], target["contents"]["email"]["subject"])
    assert told_in == ("de", "Ihre Bestellung A-1 von Sunny liegt bereit")


async def test_export_tells_a_message_in_the_language_that_it_was_sent_in(
    crowd: Crowd, bench: Any, tmp_path: Path
) -> None:
    async with crowd.db.tenant(crowd.organization) as session:
        await put_branding(session, BrandingInput(name="Farm", color="#0a6640", locale="de"))
    await crowd.run("UPDATE brandings SET starts_at = now() - interval '1 second'")
    await words(crowd, "email", "Hallo")
    ids: list[UUID] = []
    for own in (None, "en", "fr"):
        async with crowd.db.tenant(crowd.organization) as session:
            request = EmailRequest(to=EmailAddress("ada@example.org"), message=PlainEmail(title="Hello", text="Fine."))
            queued = await queue_email(session, request, sealer=crowd.sealer, organization_id=crowd.organization)
        assert queued.message_id is not None
        ids.append(queued.message_id)
        await crowd.run("UPDATE messages SET locale = :own WHERE id = :id", own=own, id=queued.message_id)
    told = {one["id"]: one["subject"] for one in (await exported(crowd, tmp_path))["messages_to_address"]}
    assert [told[str(one)] for one in ids] == ["Hallo", "Hello", "Hallo"]
