"""What an organization looks like and says in its messages: its brand, and its own words for types."""

from typing import Any, Final
from uuid import UUID

from litestar import Response

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND, RATE_LIMITED, UNAVAILABLE, FieldError, no_object_store, refused
from singr_api.organizations.branding.schemas import Brand, OverrideList
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms.notifications import (
    LOGOS,
    BrandingError,
    BrandingInput,
    BrandingView,
    ImageError,
    OverrideInput,
    OverrideView,
    Picture,
    check_brand,
    check_logo_limit,
    fetched_picture,
    is_logo,
    key_of_logo,
    list_overrides,
    media_type_of,
    note_logo,
    put_branding,
    put_override,
    read_branding,
    read_override,
    remove_branding,
    remove_override,
)
from singr_db import ObjectNotFoundError, TenantSession, new_id

_KEEP: Final = "keep"
_LOOKS: Final = "It changes what mails look like, and gives nobody lasting power."
# A logo's id is new with each, so that whoever has it may keep it.
_PICTURE: Final = {
    "cache-control": "public, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}
_LOOK: Final[dict[str, Any]] = {
    "name": "Willow Creek Farm",
    "color": "#0a6640",
    "footer": "Willow Creek Farm, 12 Creek Road",
    "locale": "de",
}
_GIVEN: Final[dict[str, Any]] = _LOOK | {"logo": "https://example.org/logo.png"}
_LOGO_ID: Final = "019ab2c0-7f00-7000-8000-0000000000aa"
_SHOWN: Final[dict[str, Any]] = _LOOK | {
    "logo_url": f"https://api.singrkaraoke.com{LOGOS}{_LOGO_ID}",
    "logo_width": 320,
    "logo_height": 64,
    "starts_at": "2026-11-27T12:00:10Z",
}
_WORDS: Final[dict[str, Any]] = {
    "subject": "Ready for you: {order_number}",
    "text": "Hello {user_name},\n\nyour order {order_number} waits at {pickup_place}: {link}",
}
_SAID: Final[dict[str, Any]] = {
    "type": "order_ready",
    "channel": "email",
    "locale": "en",
    **_WORDS,
    "variables": ["user_name", "farm_name", "order_number", "pickup_place", "link", "pickup_until"],
    "starts_at": "2026-11-27T12:00:10Z",
}
_PLACE: Final[dict[str, Any]] = {
    "path_schemas": {
        "type": {"type": "string", "description": "A type of message.", "examples": ["order_ready"]},
        "channel": {"type": "string", "description": "The channel.", "examples": ["email"]},
        "locale": {"type": "string", "description": "A language that the type has text in.", "examples": ["de"]},
    }
}
_CHANGES: Final[dict[str, Any]] = {"scope": "branding:write", "query": OrganizationQuery, "one_factor": _LOOKS}
_READS: Final[dict[str, Any]] = {"query": OrganizationQuery, "problems": (NOT_FOUND,)}
_ONE: Final = "/v1/template-overrides/{type}/{channel}/{locale}"


class Logo:
    """A picture that was fetched and stored."""

    def __init__(self, logo_id: UUID, picture: Picture) -> None:
        self.id, self.picture = logo_id, picture


async def _logo(services: Services, body: BrandingInput, organization_id: UUID) -> Logo | None:
    """Fetch the logo before the brand's transaction: all else that is wrong is told first."""
    check_brand(body, own_names=services.own_names)
    if body.logo is None or body.logo == _KEEP:
        return None
    if not services.has_objects:
        raise no_object_store("where a logo could lie")
    async with services.db.tenant(organization_id) as session:
        await check_logo_limit(session)
    await services.limits.count("logo", str(organization_id))
    try:
        picture = await fetched_picture(services.http, body.logo)
    except ImageError as error:
        raise BrandingError("logo", str(error)) from None
    logo_id = new_id()
    async with services.db.tenant(organization_id) as session:
        await note_logo(session, logo_id)
    store = await services.objects.store()
    await store.put(key_of_logo(logo_id), picture.data, picture.media_type)
    return Logo(logo_id, picture)


branding = Section("Branding", access=Access.CALLER, scope="branding:read", gives={"logo": _logo})
pictures = Section("Branding", access=Access.ANONYMOUS, unguessable=True)


@branding.route("GET /v1/branding", "readBranding", Answer("The brand.", brand=Example("A farm", _SHOWN)), **_READS)
async def read(session: TenantSession, services: Services) -> Brand:
    """Read your organization's branding.

    404 if it has none: its messages then have the platform's look and your organization's name, and come from
    `Blue Note via Singr`. Messages about accounts, and those concerning security, always use the platform's.
    """
    return _told(services, await read_branding(session))


@branding.route(
    "PUT /v1/branding",
    "putBranding",
    Answer("Takes effect in ten seconds.", brand=Example("A farm", _SHOWN)),
    body_examples={"farm": Example("A farm", _GIVEN)},
    problems=(RATE_LIMITED, UNAVAILABLE),
    **_CHANGES,
)
async def put(session: TenantSession, services: Services, body: BrandingInput, logo: Logo | None) -> Brand:
    """Set your organization's branding.

    Replaces the whole brand; a field left out is removed. White text must be readable on the colour (4.5:1, WCAG 2.2).
    The logo is fetched once, now, over https from a public host and without following redirects: a PNG, JPEG or GIF of
    at most 256 kB and 16 to 2,000 pixels a side, whole, upright, and not animated; `data:image/png;base64,…` contains
    it directly, `keep` keeps the current one. Stored is what draws it: metadata, such as where it was taken, and colour
    profiles are left out (save it in sRGB). At most 20 logos in 24 hours, and 30 attempts in an hour (429). Names
    and footers must contain neither web addresses nor the platform's own name or what looks like it, and a name no
    invisible characters. It takes effect ten seconds later; messages created before keep their look on every retry.
    """
    logo_id, picture = (None, None) if logo is None else (logo.id, logo.picture)
    view = await put_branding(session, body, logo_id=logo_id, logo=picture, own_names=services.own_names)
    return _told(services, view)


@branding.route("DELETE /v1/branding", "removeBranding", Answer("Deleted."), problems=(NOT_FOUND,), **_CHANGES)
async def remove(session: TenantSession) -> None:
    """Remove your organization's branding.

    Ten seconds later its messages have the platform's look and your organization's name.
    """
    await remove_branding(session)


@pictures.route(
    "GET /v1/branding/logos/{logo_id}",
    "readLogo",
    Answer("The picture.", media="image/*"),
    problems=(NOT_FOUND, UNAVAILABLE),
)
async def show_logo(services: Services, logo_id: UUID) -> Response[bytes]:
    """Get a logo, as shown in mails."""
    async with services.db.platform() as session:
        is_known = await is_logo(session, logo_id)
    missing = refused(NOT_FOUND, FieldError("logo_id", "There is no such logo.", "path", "not_found"))
    if not (is_known and services.has_objects):
        raise missing
    try:
        store = await services.objects.store()
        found = await store.get(key_of_logo(logo_id))
    except ObjectNotFoundError:
        raise missing from None
    if (media_type := media_type_of(found)) is None:
        raise missing
    return Response(found, media_type=media_type, headers=_PICTURE)


@branding.route(
    "GET /v1/template-overrides",
    "listTemplateOverrides",
    Answer("The texts.", words=Example("One", {"items": [_SAID]})),
    query=OrganizationQuery,
)
async def index(session: TenantSession) -> OverrideList:
    """List your organization's own message texts."""
    return OverrideList(await list_overrides(session))


@branding.route(
    f"GET {_ONE}", "readTemplateOverride", Answer("The text.", words=Example("An e-mail", _SAID)), **_READS, **_PLACE
)
async def read_words(session: TenantSession, type: str, channel: str, locale: str) -> OverrideView:  # noqa: A002 - as the path has it
    """Read your organization's own text for a type of message."""
    return await read_override(session, type, channel, locale)


@branding.route(
    f"PUT {_ONE}",
    "putTemplateOverride",
    Answer("Takes effect in ten seconds.", words=Example("An e-mail", _SAID)),
    body_examples={"mail": Example("An e-mail", _WORDS)},
    **_CHANGES,
    **_PLACE,
)
async def put_words(
    session: TenantSession,
    type: str,  # noqa: A002 - as the path has it
    channel: str,
    locale: str,
    body: OverrideInput,
) -> OverrideView:
    """Set your organization's own text for a type of message.

    Plain text in which `{name}` stands for a variable of the type; nothing else has a special meaning, and markup is
    shown as typed. In an e-mail a blank line starts a paragraph, and a variable containing an address becomes a link;
    other addresses are refused. Messages that carry codes, concern security or speak for the platform cannot be
    reworded. With the longest values of its variables a text may have 20,000 characters in an e-mail and 1,600
    elsewhere, and a subject 1,000; a message with which a text is longer uses the type's own. Takes effect ten
    seconds later; a message created before keeps its text on every retry.
    """
    return await put_override(session, type, channel, locale, body)


@branding.route(
    f"DELETE {_ONE}", "removeTemplateOverride", Answer("Deleted."), problems=(NOT_FOUND,), **_CHANGES, **_PLACE
)
async def remove_words(session: TenantSession, type: str, channel: str, locale: str) -> None:  # noqa: A002 - likewise
    """Restore the default text of a type of message."""
    await remove_override(session, type, channel, locale)


def _told(services: Services, view: BrandingView) -> Brand:
    return Brand(
        name=view.name,
        color=view.color,
        footer=view.footer,
        locale=view.locale,
        logo_url=None if view.logo_id is None else f"{services.address.rstrip('/')}{LOGOS}{view.logo_id}",
        logo_width=view.logo_width,
        logo_height=view.logo_height,
        starts_at=view.starts_at,
    )
