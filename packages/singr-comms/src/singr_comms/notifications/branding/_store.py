"""Brands and own words of organizations: put, read and taken back, in the caller's transaction.

Nothing of them ever changes: what is put is a version that comes into force ten seconds later. Until then every process
has read it, or will have before it makes a message that is to wear it.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_comms._errors import CommsError
from singr_comms.catalogue import message_types
from singr_comms.catalogue._given import held, is_name
from singr_comms.models._fields import TEXT_PATTERN, GivenLocale, LongText, PersonName
from singr_comms.models._locale import canonical_locale
from singr_comms.notifications.branding._names import wrong_lines
from singr_comms.notifications.branding._wording import not_open, wrong_words
from singr_comms.notifications.branding.pictures._picture import Picture
from singr_comms.rendering._own_words import variables_in
from singr_config.colors import LEAST_CONTRAST, contrast
from singr_config.names import PublicNameError, check_public_name, passes_for_own
from singr_db import PlatformSession, TenantSession, new_id, sql_text
from singr_db.operation_log import log_operation

IN_FORCE_AFTER: Final = timedelta(seconds=10)
VERSIONS: Final = 20
_KEPT: Final = timedelta(days=180)
_LONGEST_SUBJECT: Final = 200

Color = Annotated[
    str, Meta(pattern=r"^#[0-9a-fA-F]{6}(?![\s\S])", description="# and six hexadecimal digits.", examples=["#0a6640"])
]
Footer = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=400,
        pattern=TEXT_PATTERN,
        description="Plain text; line ends (LF or CR LF) are allowed.",
    ),
]
Logo = Annotated[str, Meta(min_length=4, max_length=360_000, examples=["https://example.org/logo.png"])]

_PUT: Final = sql_text(
    """
INSERT INTO brandings (id, organization_id, name, color, footer, locale, logo_id, logo_type, logo_width, logo_height,
                       starts_at)
VALUES (:id, :organization_id, :name, :color, :footer, :locale, :logo_id, :logo_type, :logo_width, :logo_height,
        now() + CAST(:wait AS interval)) RETURNING starts_at
""",
    roles=("tenant",),
)
_READ: Final = sql_text(
    """
SELECT name, color, footer, locale, logo_id, logo_type, logo_width, logo_height, starts_at FROM brandings
 WHERE organization_id = :organization_id ORDER BY starts_at DESC, id DESC LIMIT 1
""",
    roles=("tenant",),
)
_IS_LOGO: Final = sql_text("SELECT EXISTS (SELECT FROM brandings WHERE logo_id = :logo_id)")
_PUT_WORDS: Final = sql_text(
    """
INSERT INTO template_overrides (id, organization_id, type, channel, locale, subject, text, starts_at)
VALUES (:id, :organization_id, :type, :channel, :locale, :subject, :text, now() + CAST(:wait AS interval))
RETURNING starts_at
""",
    roles=("tenant",),
)
_READ_WORDS: Final = sql_text(
    """
SELECT DISTINCT ON (type, channel, locale) type, channel, locale, subject, text, starts_at FROM template_overrides
 WHERE organization_id = :organization_id ORDER BY type, channel, locale, starts_at DESC, id DESC
""",
    roles=("tenant",),
)
# What nothing that is still sent may wear, and what was put over twenty times since. A version with a logo stays: mails
# show that for as long as they are read.
_FORGET: Final = tuple(
    sql_text(
        f"""
DELETE FROM {table} AS old WHERE organization_id = :organization_id {unless} AND (
    SELECT count(*) > :versions OR min(newer.starts_at) < now() - CAST(:kept AS interval)
      FROM {table} AS newer WHERE newer.organization_id = old.organization_id {same}
       AND newer.starts_at > old.starts_at)
""",  # noqa: S608 - constants
        roles=("tenant",),
    )
    for table, same, unless in (
        ("brandings", "", "AND old.logo_id IS NULL"),
        (
            "template_overrides",
            "AND newer.type = old.type AND newer.channel = old.channel AND newer.locale = old.locale",
            "",
        ),
    )
)


class BrandingError(CommsError, ValueError):
    """What was given cannot be worn; nothing of it was kept.

    Attributes:
        field: what is wrong.
        message: what would be right; follows the field's name.
        faults: all that is wrong: fields with their messages, of which the first is the one above.
    """

    def __init__(self, field: str, message: str, *more: tuple[str, str]) -> None:
        self.faults = ((field, message), *more)
        super().__init__("; ".join(f"{one} {words}" for one, words in self.faults))
        self.field = field
        self.message = message


class BrandingNotFoundError(CommsError, LookupError):
    """The organization has no brand, or no words of its own there."""


class BrandingInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The look of an organization's mails; a field left out is removed.

    Args:
        name: of the organization, in the head and foot of its mails; mails say that they come from it.
        color: of buttons and links.
        footer: the text at the foot of its mails. It does not name the platform.
        logo: an https address, from which it is fetched once, or the picture itself as a data URL; a PNG, JPEG or
            GIF of at most 256 kB and 16 to 2,000 pixels a side, whole, upright and not animated.
            It is shown in place of the name. `keep` keeps the current one.
        locale: the language of messages to people who have none of their own, or one that a type has no text in;
            English where it has none in this one either.
    """

    name: PersonName
    color: Color
    footer: Footer | None = None
    logo: Logo | None = None
    locale: GivenLocale | None = None


class BrandingView(msgspec.Struct, frozen=True, kw_only=True):
    """How an organization's mails look.

    Attributes:
        locale: the language of messages to people who have none of their own, or one that a type has no text in.
        logo_id: by which its logo can be had.
        starts_at: messages created from then on use it.
    """

    name: str
    color: str
    footer: str | None
    locale: str | None
    logo_id: UUID | None
    logo_width: int | None
    logo_height: int | None
    starts_at: datetime


class OverrideInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An organization's own text for a type of message.

    Args:
        text: plain text with variables of the type in braces, such as `{link}`; a blank line begins a paragraph.
        subject: the subject of a mail, or the title of a push; the type's own by default.
    """

    text: LongText
    subject: Annotated[str, Meta(min_length=1, max_length=_LONGEST_SUBJECT)] | None = None


class OverrideView(msgspec.Struct, frozen=True, kw_only=True):
    """An organization's own text for a type of message.

    Attributes:
        variables: the variables that it can use.
        starts_at: messages created from then on use it.
    """

    type: str
    channel: str
    locale: str
    subject: str | None
    text: str
    variables: tuple[str, ...]
    starts_at: datetime


def check_brand(given: BrandingInput, *, own_names: Collection[str] = ()) -> None:
    """Refuse what nobody could read, what would be more than text, or what passes for the platform.

    Args:
        given: the brand.
        own_names: what the platform itself writes as (`Settings.own_names`): neither the name nor the footer says it,
            "powered by" included.

    Raises:
        BrandingError: it cannot be worn.
    """
    _check(_misshapen(given, BrandingInput))
    _check(_unreadable(given, own_names))


def check_override(kind: str, channel: str, locale: str, given: OverrideInput) -> None:
    """Refuse words that nobody may say there, or that are not in order; raises BrandingError with all that is wrong."""
    misshapen = tuple(_misshapen(given, OverrideInput))
    declared = message_types.named(kind) if is_name(kind) else None
    found = [*not_open(declared, channel, locale), *misshapen]
    if declared is not None and is_name(channel) and channel in declared.models and not misshapen:
        found += wrong_words(declared.models[channel], channel, given.text, given.subject)
    _check(found)


def _unreadable(given: BrandingInput, own_names: Collection[str]) -> Iterator[tuple[str, str]]:
    try:
        check_public_name(given.name, own_names)
    except PublicNameError as error:
        yield "name", error.message
    for line in (given.footer or "").splitlines():
        if wrong := passes_for_own(line, own_names):
            yield "footer", wrong
            break
    ratio = contrast(given.color, "#ffffff")
    if ratio < LEAST_CONTRAST:
        seen = f"white text on {given.color} has a contrast of {ratio:.2f}:1"
        yield "color", f"must be darker: {seen}, and {LEAST_CONTRAST}:1 is needed to read it (WCAG 2.2)"
    for field, text in (("name", given.name), ("footer", given.footer or "")):
        yield from ((field, wrong) for wrong in wrong_lines(text))


def _misshapen(given: Any, kind: Any) -> Iterator[tuple[str, str]]:
    yield from ((one.path, one.message) for one in held(given, kind)[1])


def _check(faults: Iterable[tuple[str, str]]) -> None:
    if found := tuple(faults):
        raise BrandingError(*found[0], *found[1:])


async def put_branding(
    session: TenantSession,
    given: BrandingInput,
    *,
    logo_id: UUID | None = None,
    logo: Picture | None = None,
    own_names: Collection[str] = (),
) -> BrandingView:
    """Give an organization a brand, in force ten seconds later.

    Args:
        session: the caller's transaction, fenced to the organization; who acts in it is put down.
        given: the brand.
        logo_id: under which the caller stored its logo.
        logo: what it is.
        own_names: what the platform itself writes as, which no brand may be called and no footer may say.

    Raises:
        BrandingError: it cannot be worn, or there is no logo to keep.
    """
    check_brand(given, own_names=own_names)
    kept: dict[str, Any] = {"logo_id": logo_id, "logo_type": None, "logo_width": None, "logo_height": None}
    if logo is not None:
        kept |= {"logo_type": logo.media_type, "logo_width": logo.width, "logo_height": logo.height}
    elif given.logo == "keep":
        before = await _newest(session)
        if before is None or before.logo_id is None:
            raise BrandingError("logo", "must be an address or a data URL: there is no logo to keep")
        kept = {name: getattr(before, name) for name in kept}
    locale = given.locale and canonical_locale(given.locale)
    values = {
        "name": given.name,
        "color": given.color.lower(),
        "footer": given.footer and given.footer.replace("\r\n", "\n"),
        "locale": locale,
        **kept,
    }
    await _put(session, _PUT, values)
    await log_operation(session, "branding.put", session.organization_id, after={"name": given.name})
    return await read_branding(session)


async def read_branding(session: TenantSession) -> BrandingView:
    """The brand that an organization has, or is about to; raises BrandingNotFoundError."""
    row = await _newest(session)
    if row is None or row.name is None:
        raise BrandingNotFoundError("this organization has no branding of its own")
    return BrandingView(
        name=row.name,
        color=row.color,
        footer=row.footer,
        locale=row.locale,
        logo_id=row.logo_id,
        logo_width=row.logo_width,
        logo_height=row.logo_height,
        starts_at=row.starts_at,
    )


def key_of_logo(logo_id: UUID) -> str:
    """Where a logo lies in the object store."""
    return f"logos/{logo_id}"


async def is_logo(session: PlatformSession, logo_id: UUID) -> bool:
    """Whether there is such a logo, of whichever organization."""
    return bool(await session.scalar(_IS_LOGO, {"logo_id": logo_id}))


async def remove_branding(session: TenantSession) -> None:
    """Let an organization's messages look like the platform's, under its own name; raises BrandingNotFoundError."""
    await read_branding(session)
    names = ("name", "color", "footer", "locale", "logo_id", "logo_type", "logo_width", "logo_height")
    await _put(session, _PUT, dict.fromkeys(names))
    await log_operation(session, "branding.remove", session.organization_id)


async def put_override(
    session: TenantSession, kind: str, channel: str, locale: str, given: OverrideInput
) -> OverrideView:
    """Give an organization words of its own for a type, on a channel and in a language, in force ten seconds later.

    Raises:
        BrandingError: there is no such type, channel or language, nobody may word the type otherwise, or something is
            wrong with the words: with all of it.
    """
    check_override(kind, channel, locale, given)
    place = {"type": kind, "channel": channel, "locale": locale}
    said = {"subject": given.subject, "text": given.text.replace("\r\n", "\n")}
    await _put(session, _PUT_WORDS, place | said)
    await log_operation(session, "template_override.put", f"{kind}/{channel}/{locale}")
    return await read_override(session, kind, channel, locale)


async def read_override(session: TenantSession, kind: str, channel: str, locale: str) -> OverrideView:
    """An organization's own words; raises BrandingNotFoundError."""
    for one in await list_overrides(session):
        if (one.type, one.channel, one.locale) == (kind, channel, locale):
            return one
    raise BrandingNotFoundError("this organization has no text of its own there")


async def list_overrides(session: TenantSession) -> list[OverrideView]:
    """All own words of an organization."""
    rows = await session.execute(_READ_WORDS, {"organization_id": session.organization_id})
    return [_told(row) for row in rows if row.text is not None]


async def remove_override(session: TenantSession, kind: str, channel: str, locale: str) -> None:
    """Let a type speak in its own words again; raises BrandingNotFoundError."""
    await read_override(session, kind, channel, locale)
    place = {"type": kind, "channel": channel, "locale": locale}
    await _put(session, _PUT_WORDS, place | {"subject": None, "text": None})
    await log_operation(session, "template_override.remove", f"{kind}/{channel}/{locale}")


def _told(row: Any) -> OverrideView:
    declared = message_types.named(row.type)
    model = None if declared is None else declared.models.get(row.channel)
    return OverrideView(
        type=row.type,
        channel=row.channel,
        locale=row.locale,
        subject=row.subject,
        text=row.text,
        variables=() if model is None else variables_in(model),
        starts_at=row.starts_at,
    )


async def _newest(session: TenantSession) -> Any:
    return (await session.execute(_READ, {"organization_id": session.organization_id})).first()


async def _put(session: TenantSession, statement: Any, values: dict[str, Any]) -> None:
    ours = {"organization_id": session.organization_id}
    for forget in _FORGET:
        await session.execute(forget, ours | {"kept": _KEPT, "versions": VERSIONS})
    await session.execute(statement, values | ours | {"id": new_id(), "wait": IN_FORCE_AFTER})
