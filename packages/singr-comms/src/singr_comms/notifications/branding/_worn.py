"""What a message wears: the brand, or name, and words that were in force when it was made, the same on every try."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import Message, message_types
from singr_comms.channels import CHANNELS
from singr_comms.models._message import kind_of
from singr_comms.notifications.branding._names import brand_by_name
from singr_comms.notifications.branding._store import IN_FORCE_AFTER, VERSIONS
from singr_comms.notifications.branding._wording import may_be_worded
from singr_comms.rendering._brand import OrganizationBrand, Words
from singr_comms.rendering._formats import DEFAULT_LANGUAGE
from singr_comms.rendering._templates import language_of
from singr_config import BrandSettings
from singr_config.clock import clock
from singr_db import PLATFORM_ORGANIZATION_ID, Database, TenantSession, answered_within, made_at, sql_text

LOGOS: Final = "/v1/branding/logos/"
# What was read stands for messages that were made until then: a version that nobody had read starts later, though its
# transaction took five seconds.
_GOOD_FOR: Final = IN_FORCE_AFTER / 2
_MOST: Final = 2_000
# Seconds for which a read is waited for, as the sender waits for its ledger: past them the database is away.
_PATIENCE: Final = 10.0
_LOGO_SIDES: Final = (240, 48)

# Of brands the one that starts last is in force, of an organization's own names the one that was given last.
_LOOKS: Final = sql_text(
    """
(SELECT false AS is_bare, name, color, footer, locale, logo_id, logo_width, logo_height, starts_at, starts_at AS since,
        id, 0 AS number
   FROM brandings WHERE organization_id = :organization_id ORDER BY starts_at DESC, id DESC LIMIT :versions)
 UNION ALL
(SELECT true, name, NULL, NULL, NULL, NULL, NULL, NULL, starts_at, NULL, NULL, id
   FROM organization_names WHERE organization_id = :organization_id ORDER BY id DESC LIMIT :versions)
 ORDER BY is_bare, since, id, number
""",
    roles=("platform", "tenant"),
)
_LOCALE: Final = sql_text(
    """
SELECT locale FROM brandings WHERE organization_id = :organization_id ORDER BY starts_at DESC, id DESC LIMIT 1
""",
    roles=("platform", "tenant"),
)
_WORDS: Final = sql_text(
    """
SELECT type, channel, locale, subject, text, starts_at FROM template_overrides
 WHERE organization_id = :organization_id ORDER BY starts_at, id
""",
    roles=("platform", "tenant"),
)
ORGANIZATION_LOCALE_SQL: Final = """(
    SELECT brand.locale FROM brandings AS brand WHERE brand.organization_id = {} AND brand.starts_at <= now()
     ORDER BY brand.starts_at DESC, brand.id DESC LIMIT 1)"""
"""The language of an organization by its id: of those who have none of their own."""
READER_LOCALE_SQL: Final = f"coalesce(r.locale, {ORGANIZATION_LOCALE_SQL.format('r.organization_id')})"
"""The language of a recipient `r`: their own, or else their organization's."""
_Place = tuple[str, str, str]


class Wardrobe(msgspec.Struct, frozen=True):
    """All that an organization's messages may wear.

    Args:
        brands: versions with when they start, oldest first; None where there was none from then on.
        words: versions of own words, likewise.
        names: the organization's own, of which the first counts from ever on; None where messages wore none. They are
            worn where there is no brand.
        read_at: when it was read.
        platform: what the platform wears, which is around a name, and under words where there is none.
        own_names: what the platform itself writes as.
    """

    brands: tuple[tuple[datetime, OrganizationBrand | None], ...] = ()
    words: tuple[tuple[datetime, _Place, Words | None], ...] = ()
    names: tuple[tuple[datetime, str | None], ...] = ()
    read_at: datetime | None = None
    platform: OrganizationBrand = OrganizationBrand()
    own_names: tuple[str, ...] = ()

    def holds(self, message_id: UUID) -> bool:
        """Whether what was read is all that there is for a message."""
        made = min(made_at(message_id), clock.now())  # where another host's clock is ahead, each would be read for anew
        return self.read_at is not None and made <= self.read_at + _GOOD_FOR

    def locale(self, kind: str, message_id: UUID) -> str | None:
        """The language of a message to somebody who has none of their own."""
        brand = self._brand_at(made_at(message_id)) if wears(kind) else None
        return None if brand is None else brand.locale

    def dressed(self, envelope: Any, kind: str, channel: str, message_id: UUID) -> Any:
        """An envelope with what its message wears, the same on every try."""
        if not hasattr(envelope, "brand"):
            return envelope
        worn = self.worn(kind, channel, envelope.locale, made_at(message_id))
        return envelope if worn is None else msgspec.structs.replace(envelope, brand=worn)

    def told(
        self, message: Message, channel: str, made: UUID, *wanted: str | None
    ) -> tuple[OrganizationBrand | None, str]:
        """What a message wears that is shown and not sent, such as an item of an inbox, and the language it is told in.

        Args:
            message: the message.
            channel: whose words it has.
            made: an id that says when it was made.
            wanted: its reader's language; otherwise it is told in its organization's, as it would be sent.
        """
        kind = kind_of(message)
        lang = language_of(type(message), CHANNELS[channel].texts, *wanted, self.locale(kind, made))
        return self.worn(kind, channel, lang, made_at(made)), lang

    def worn(self, kind: str, channel: str, locale: str | None, moment: datetime) -> OrganizationBrand | None:
        """What a message that was made at a moment wears; None: what the platform wears."""
        if not (self.brands or self.words or self.names) or not wears(kind):
            return None
        brand = self._brand_at(moment) or self._named_at(moment, locale)
        words = None
        place = (kind, channel, locale or DEFAULT_LANGUAGE)
        for starts_at, at, said in self.words:
            if at == place and starts_at <= moment:
                words = said
        if words is None:
            return brand
        return msgspec.structs.replace(brand or self.platform, words=words)

    def _brand_at(self, moment: datetime) -> OrganizationBrand | None:
        brand = None
        for starts_at, one in self.brands:
            if starts_at <= moment:
                brand = one
        return brand

    def _named_at(self, moment: datetime, locale: str | None) -> OrganizationBrand | None:
        name = self.names[0][1] if self.names else None
        for starts_at, one in self.names:
            if starts_at <= moment:
                name = one
        return None if name is None else brand_by_name(name, self.platform, self.own_names, locale)


class Brands:
    """Knows what messages wear: two statements for an organization every five seconds at most, whatever it sends.

    Organizations wait for nobody else's.

    Args:
        db: the database.
        brand: the platform's, in place of what an organization has not.
        api_url: where logos are had (`APP_URL_API`).
        own_names: what the platform itself writes as, beside its brand's name (`Settings.own_names`): an organization
            without a brand that is called so is not named.
    """

    def __init__(self, db: Database, *, brand: BrandSettings, api_url: str, own_names: Collection[str] = ()) -> None:
        self._db = db
        self._platform = OrganizationBrand(**msgspec.structs.asdict(brand))
        self._own_names = tuple(dict.fromkeys((brand.name, *own_names)))
        self._logos = api_url.rstrip("/") + LOGOS
        self._known: dict[UUID, Wardrobe] = {}
        self._reading: dict[UUID, asyncio.Task[Wardrobe]] = {}

    async def wardrobe(self, organization_id: UUID, message_id: UUID) -> Wardrobe:
        """All that a message may wear that was made when its id was."""
        if organization_id == PLATFORM_ORGANIZATION_ID:
            return Wardrobe()
        known = self._known.get(organization_id)
        if known is not None and known.holds(message_id):
            return known
        reading = self._reading.get(organization_id)
        if reading is not None:
            known = await asyncio.shield(reading)
            if known.holds(message_id):
                return known
        under_way = self._reading.get(organization_id)
        if under_way is None or under_way is reading:  # the same one is done, and not cleared away yet
            under_way = self._begun(organization_id)
        return await asyncio.shield(under_way)

    async def wardrobe_of(self, session: Any, organization_id: UUID, rows: Sequence[Any]) -> Wardrobe:
        """All that some messages may wear, each a row with its `id` and `kind`; nothing where none of them wears any.

        What is not known is read in the caller's transaction, which has a connection already.
        """
        newest = max((row.id for row in rows if wears(row.kind)), default=None)
        if newest is None or organization_id == PLATFORM_ORGANIZATION_ID:
            return Wardrobe()
        known = self._known.get(organization_id)
        if known is None or not known.holds(newest):
            known = await self._read(session, organization_id, clock.now())
            self._keep(organization_id, known)
        return known

    def _begun(self, organization_id: UUID) -> "asyncio.Task[Wardrobe]":
        """What many ask for at once is read once, and goes on though one of them gives up."""
        reading = asyncio.create_task(self._read_anew(organization_id))
        self._reading[organization_id] = reading
        reading.add_done_callback(lambda done: self._ended(organization_id, done))
        return reading

    def _ended(self, organization_id: UUID, reading: "asyncio.Task[Wardrobe]") -> None:
        if self._reading.get(organization_id) is reading:
            del self._reading[organization_id]
        if not reading.cancelled() and reading.exception() is None:
            self._keep(organization_id, reading.result())

    def _keep(self, organization_id: UUID, read: Wardrobe) -> None:
        self._known.pop(organization_id, None)
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]  # the one that was read longest ago
        self._known[organization_id] = read

    async def _read_anew(self, organization_id: UUID) -> Wardrobe:
        now = clock.now()
        async with answered_within(_PATIENCE, "PostgreSQL"), self._db.platform() as session:
            return await self._read(session, organization_id, now)

    async def locale(self, session: TenantSession, kind: str) -> str | None:
        """The language of such a message to somebody who has none of their own: for previews."""
        if not wears(kind):
            return None
        locale: str | None = await session.scalar(_LOCALE, {"organization_id": session.organization_id})
        return locale

    async def shown(
        self, session: TenantSession, kind: str, channel: str, locale: str | None
    ) -> OrganizationBrand | None:
        """What a message that is made once all that was put is in force will wear: for previews."""
        if not wears(kind):
            return None
        now = clock.now()
        wardrobe = await self._read(session, session.organization_id, now)
        return wardrobe.worn(kind, channel, locale, now + timedelta(days=1))

    async def _read(self, session: Any, organization_id: UUID, now: datetime) -> Wardrobe:
        ours = {"organization_id": organization_id}
        looks = (await session.execute(_LOOKS, ours | {"versions": VERSIONS})).mappings().all()
        words = (await session.execute(_WORDS, ours)).all()
        return Wardrobe(
            tuple((one["starts_at"], self._made(one)) for one in looks if not one["is_bare"]),
            tuple(
                (one.starts_at, (one.type, one.channel, one.locale), one.text and Words(one.text, one.subject))
                for one in words
            ),
            tuple((one["starts_at"], one["name"]) for one in looks if one["is_bare"]),
            now,
            self._platform,
            self._own_names,
        )

    def _made(self, row: Mapping[str, Any]) -> OrganizationBrand | None:
        if row["name"] is None:
            return None
        logo = {}
        if row["logo_id"] is not None:
            width, height = fitted(row["logo_width"], row["logo_height"])
            logo = {"logo": f"{self._logos}{row['logo_id']}", "logo_width": width, "logo_height": height}
        named = {"name": row["name"], "sender": row["name"], "color": row["color"], "footer": row["footer"] or ""}
        named["locale"] = row["locale"]
        return msgspec.structs.replace(self._platform, **named, **logo)


class NoBrands:
    """Of a service whose organizations all look alike."""

    async def wardrobe(self, organization_id: UUID, message_id: UUID) -> Wardrobe:  # noqa: ARG002 - as `Brands` has it
        """Nothing."""
        return Wardrobe()


def wears(kind: str) -> bool:
    """Whether messages of a kind wear anything of their organization's; mandatory ones, and the platform's, do not."""
    declared = message_types.named(kind)
    return declared is not None and may_be_worded(declared)


class Outfit:
    """What one message wears: read before its attempt begins, so that nothing is in doubt where that fails.

    Args:
        brands: know what there is.
        organization_id: whose message it is.
        message_id: which.
    """

    def __init__(self, brands: Brands | NoBrands, organization_id: UUID, message_id: UUID) -> None:
        self._brands, self._organization_id, self._message_id = brands, organization_id, message_id
        self._wardrobe: Wardrobe | None = None

    async def read(self, kind: str | None) -> None:
        """Read it, once, unless messages of this kind wear nothing; a kind that is not known yet may."""
        if self._wardrobe is None and (kind is None or wears(kind)):
            self._wardrobe = await self._brands.wardrobe(self._organization_id, self._message_id)

    def locale(self, kind: str) -> str | None:
        """The language of its message, where its reader has none of their own."""
        return None if self._wardrobe is None else self._wardrobe.locale(kind, self._message_id)

    def dressed(self, envelope: Any, kind: str, channel: str) -> Any:
        """An envelope with what its message wears, the same on every try."""
        if self._wardrobe is None:
            return envelope
        return self._wardrobe.dressed(envelope, kind, channel, self._message_id)


def fitted(width: int, height: int) -> tuple[int, int]:
    """A logo's size as mails show it: as it is, or as small as there is room for."""
    share = min(1.0, _LOGO_SIDES[0] / width, _LOGO_SIDES[1] / height)
    return max(1, round(width * share)), max(1, round(height * share))
