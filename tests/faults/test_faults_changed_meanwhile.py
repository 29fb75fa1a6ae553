"""Something changes between queue and call: who opted out or is erased gets nothing, all else is as it was decided."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from singr_comms import MemoryEmailProvider, MemoryPushProvider, MemorySmsProvider, SongRequest
from singr_comms.notifications import BrandingInput, Brands, MessageSender, OverrideInput, put_branding, put_override
from singr_comms.notifying import Audience, FanOut, notify
from singr_comms.people import (
    PreferenceChoice,
    PreferencesHolder,
    PreferencesLook,
    RecipientInput,
    change_preferences,
    erase_recipient,
    put_recipient,
    recipient_named,
)
from singr_config import BrandSettings, LimitSettings, Secret
from singr_db import Database, Sealer, TenantSession, new_id
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError
from singr_observability import build_metrics

FARM = new_id()
SEALER = Sealer(Secret("m" * 40))
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
BRAND = BrandingInput(name="R&B Farm", color="#102030")
BARE = "Farm via Singr"
WORDS = OverrideInput(text="Sing {title}!")
Change = Callable[[TenantSession, str], Awaitable[Any]]


async def opts_out(session: TenantSession, name: str) -> None:
    holder = PreferencesHolder(organization_id=FARM, recipient_id=(await recipient_named(session, name)).id)
    await change_preferences(session, holder, [PreferenceChoice(scope="all", allowed=False)], source="recipient")


async def is_erased(session: TenantSession, name: str) -> None:
    await erase_recipient(session, name, sealer=SEALER)


async def moves(session: TenantSession, name: str) -> None:
    await put_recipient(session, name, RecipientInput(email=f"{name}@elsewhere.example.org"), sealer=SEALER)


async def is_branded(session: TenantSession, _: str) -> None:
    await put_branding(session, BRAND)


async def is_reworded(session: TenantSession, _: str) -> None:
    await put_override(session, "song_request", "email", "en", WORDS)


class Farm:
    """An organization that tells its people something, and their provider."""

    def __init__(self, db: Database, clock: VirtualClock) -> None:
        self.provider = MemoryEmailProvider()
        self.db, self.clock = db, clock
        self.sender = MessageSender(
            db,
            SEALER,
            email=self.provider,
            sms=MemorySmsProvider(),
            push=MemoryPushProvider(),
            limits=LimitSettings(email_per_day=10_000),
            metrics=build_metrics(),
            last_look=PreferencesLook(),
            brands=Brands(db, brand=BrandSettings(), api_url="https://api.example"),
        )

    async def settle(self, names: list[str]) -> None:
        async with self.db.platform() as session:
            session.add(Organization(id=FARM, name="Farm", slug="farm"))
        async with self.db.tenant(FARM) as session:
            for name in names:
                await put_recipient(session, name, RecipientInput(email=f"{name}@example.org"), sealer=SEALER)

    async def tell(self) -> dict[str, UUID]:
        """Tell everybody, and decide it; gives the message of each, by their ids."""
        async with self.db.tenant(FARM) as session:
            told = await notify(session, SONG, Audience(all=True), sealer=SEALER, channels=["email"])
        await FanOut(self.db).run(told.id, organization_id=FARM, turn=1)
        asked = text(
            "SELECT r.external_id, m.id FROM messages AS m JOIN recipients AS r ON r.id = m.recipient_id"
            " WHERE m.notification_id = :id ORDER BY 1"
        )
        async with self.db.platform() as session:
            return {row.external_id: row.id for row in await session.execute(asked, {"id": told.id})}

    async def change(self, change: Change, name: str) -> None:
        async with self.db.tenant(FARM) as session:
            await change(session, name)
        self.clock.advance(seconds=11)  # a brand that was put is read by then

    async def end(self, message_id: UUID) -> str:
        try:
            await self.sender.send("email", message_id, organization_id=FARM, is_last_attempt=True)
        except PermanentError as error:
            return error.code
        return "sent"


@pytest.fixture
def farm(db: Database, clock: VirtualClock) -> Farm:
    """It, with nobody yet."""
    return Farm(db, clock)


@pytest.mark.parametrize("many", [4, pytest.param(1000, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
@pytest.mark.parametrize(
    ("change", "ends", "at_once", "afterwards"),
    [
        (opts_out, "preference", [], []),
        (is_erased, "erased", [], []),
        (moves, "sent", ["@example.org", BARE, False], ["@elsewhere.example.org", BARE, False]),
        (is_branded, "sent", ["@example.org", BARE, False], ["@example.org", "R&B Farm", False]),
        (is_reworded, "sent", ["@example.org", BARE, False], ["@example.org", BARE, True]),
    ],
    ids=["opts-out", "is-erased", "moves", "is-branded", "is-reworded"],
)
async def test_what_changes_between_queue_and_call_stops_a_message_or_leaves_it_as_it_was_decided(
    farm: Farm, change: Change, ends: str, at_once: list[Any], afterwards: list[Any], many: int
) -> None:
    names = [f"u-{number:04}" for number in range(many)]
    await farm.settle(names)
    messages = await farm.tell()
    assert list(messages) == names
    for name, message_id in messages.items():
        await farm.change(change, name)
        assert await farm.end(message_id) == ends
    assert looks_of(farm) == ([[f"{name}{at_once[0]}", *at_once[1:]] for name in names] if at_once else [])
    farm.provider.sent.clear()
    for message_id in (await farm.tell()).values():
        await farm.end(message_id)
    assert looks_of(farm) == ([[f"{name}{afterwards[0]}", *afterwards[1:]] for name in names] if afterwards else [])


def looks_of(farm: Farm) -> list[list[Any]]:
    """Of each mail that went out: to whom, in whose name, and whether in words of its own."""
    return [
        [one.to.email, (one.brand and one.brand.sender) or None, bool(one.brand and one.brand.words)]
        for one in farm.provider.sent
    ]
