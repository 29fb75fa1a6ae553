"""Where readers of a mail choose what they get: a page that needs no script. Opening it changes nothing."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final
from urllib.parse import parse_qs

import msgspec
from litestar import Response

from singr_api.admission.browser import AnyRequest
from singr_api.admission.call import AnonymousCall
from singr_api.http.problems import INVALID, NOT_FOUND, UNAVAILABLE, FieldError, invalid, refused
from singr_api.people.shared import reading_as_member
from singr_api.routing.route import Section
from singr_api.wiring.reader_pages import BY_TOKEN, PAGE, reader_page
from singr_api.wiring.reader_words import Words, words_for
from singr_api.wiring.services import Services
from singr_auth.accounts import SessionEndedError
from singr_comms.catalogue import message_types
from singr_comms.notifications import LinkOverError
from singr_comms.people import (
    CategoryPreference,
    Frequency,
    FrequencyChoice,
    LinkReader,
    PreferenceChoice,
    PreferencesHolder,
    PreferencesView,
    RecipientNotFoundError,
    change_preferences,
    ended_by_others,
    mail_ended,
    may_wait,
    read_preferences,
    reader_of_link,
)
from singr_db import PlatformSession

_MOST_FIELDS: Final = 400
_ASK: Final = """<h1>{choices}</h1>
{was_saved}{was_ended}{was_elsewhere}<p>{choose}
{in_any_case}</p>
<form method="post">
{boxes}<button type="submit">{save}</button>
</form>
"""
_SAVED: Final = '<p role="status"><strong>{saved}.</strong> {saved_more}</p>\n'
_ENDED: Final = '<p role="note"><strong>{ended}</strong> {ended_more}</p>\n'
_ELSEWHERE: Final = '<p role="note"><strong>{elsewhere}</strong> {elsewhere_more}</p>\n'
_NOTHING: Final = "<p>{nothing}</p>\n"
_USUAL: Final = "usual"
"""How often the sender says: nothing is chosen."""
_DIGESTS: Final = ("daily", "weekly")
_OFTEN: Final = ("immediate", *_DIGESTS)
_FORMER: Final = FieldError(
    "token",
    "This link was sent to an address that its recipient no longer has: use the link in a newer mail.",
    "path",
    "revoked",
)
_WORDS: Final = (
    *("choices", "choose", "in_any_case", "save", "saved", "saved_more"),
    *("ended", "ended_more", "elsewhere", "elsewhere_more", "nothing"),
)

pages = Section("Pages", problems=(NOT_FOUND, UNAVAILABLE))


@pages.route("GET /preferences/{token}", "choicesPage", PAGE, **BY_TOKEN)
async def ask(request: AnyRequest, services: Services, session: PlatformSession, token: str) -> Response[bytes]:
    """Page: choose what an organization sends.

    For people who follow a link in a mail, or who requested one while signed in; in their language. It needs no script;
    opening it changes nothing.
    """
    reader, holder = await _reader(services, session, token)
    view = await read_preferences(session, holder)
    return _page(request, services, reader, view, await _locked(session, reader, holder, view))


# The link's token is all it takes, so that pages of others can send nothing that its holder could not; a page that
# gives no referrer tells no origin either.
@pages.route(
    "POST /preferences/{token}",
    "saveChoices",
    PAGE,
    unguessable=True,
    any_origin=True,
    problems=(INVALID,),
    **BY_TOKEN,
)
async def save(
    request: AnyRequest, services: Services, session: PlatformSession, call: AnonymousCall, token: str
) -> Response[bytes]:
    """Save the choices made on the page.

    The body is the page's form. Fields left as they were shown stay unset, or as chosen before. A category that the
    address was unsubscribed from is switched on again here if the link was sent to that address, or if it is the
    address of the account that requested the link. Otherwise the choice is stored, but the category stays off. A person
    who has unsubscribed from everything gets no mail for what is chosen here. The page says so in both cases.
    """
    reader, holder = await _reader(services, session, token)
    view = await read_preferences(session, holder)
    form = _form(call.body)
    choices, frequencies = list(_changed(view, form)), list(_often(view, form))
    if choices or frequencies:
        view = await change_preferences(
            session,
            holder,
            choices,
            frequencies=frequencies,
            source="recipient" if reader.is_signed_in else "link",
        )
    saved = bool(form.shown or form.is_often)
    return _page(request, services, reader, view, await _locked(session, reader, holder, view), saved=saved)


async def _reader(services: Services, session: PlatformSession, token: str) -> tuple[LinkReader, PreferencesHolder]:
    reader = await reader_of_link(session, services.sealer, token)
    if reader.is_former:
        raise refused(NOT_FOUND, _FORMER)
    if reader.holder is None:
        raise RecipientNotFoundError
    if reader.user_id is None:
        return reader, reader.holder
    if reader.session_id is not None:
        try:
            await services.accounts.sessions.require_living(session, reader.user_id, reader.session_id)
        except SessionEndedError as error:
            raise LinkOverError("this link has expired") from error
    return reader, await reading_as_member(services, session, reader.holder, reader.user_id)


class _Locked(msgspec.Struct, frozen=True):
    """What stays off, whatever is chosen.

    Attributes:
        mail: categories of which no mail comes.
        elsewhere: channels and categories that ended for an address that who chooses may not read.
    """

    mail: set[str]
    elsewhere: frozenset[tuple[str, str]]

    def holds(self, channel: str, category: str) -> bool:
        return (channel, category) in self.elsewhere or (channel == "email" and category in self.mail)


async def _locked(
    session: PlatformSession, reader: LinkReader, holder: PreferencesHolder, view: PreferencesView
) -> _Locked:
    mails: dict[str, set[str]] = {}
    for one in view.types:
        if not one.mandatory and any(way.channel == "email" for way in one.channels):
            mails.setdefault(one.category, set()).add(one.type)
    held = await mail_ended(session, holder, reader.address_hash, set().union(*mails.values()))
    ended = {category for category, types in mails.items() if types <= held}
    return _Locked(ended, await ended_by_others(session, holder))


class _Form(msgspec.Struct, frozen=True):
    """What the page showed, what of it was on, and what is; and how often: as it was, and as it is to be."""

    shown: set[str]
    was_on: set[str]
    is_on: set[str]
    was_often: dict[str, str]
    is_often: dict[str, str]


def _form(body: bytes) -> _Form:
    try:
        form = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=_MOST_FIELDS) if body else {}
        shown, was_on, is_on = ({*form.pop(name, ())} for name in ("shown", "was", "on"))
        was_often, is_often = (_pairs(name, form.pop(name, ())) for name in ("was_often", "often"))
    except ValueError:
        message = f"must be the page's form, of {_MOST_FIELDS} fields at most"
        raise invalid(FieldError("", message, "body", "malformed")) from None
    if form or not was_on | is_on <= shown or was_often.keys() != is_often.keys():
        raise invalid(FieldError("", "must be the page's form, and all of it", "body", "malformed"))
    return _Form(shown, was_on, is_on, was_often, is_often)


def _pairs(field: str, said: Iterable[str]) -> dict[str, str]:
    """By categories how often: as usual where nothing is said."""
    pairs: dict[str, str] = {}
    for one in said:
        name, _, often = one.partition(" ")
        if often not in {_USUAL, *_OFTEN}:
            words = f"must be a category and one of {', '.join(_OFTEN)} behind a space, such as marketing {_OFTEN[0]}"
            raise invalid(FieldError(field, words, "body", "unknown_value"))
        pairs[name] = often
    return pairs


def _changed(view: PreferencesView, form: _Form) -> Iterator[PreferenceChoice]:
    """What was switched on the page; of what it did not show, nothing is changed."""
    for category in view.categories:
        for one in category.channels:
            box = f"{category.category} {one.channel}"
            if box in form.shown and (box in form.is_on) != (box in form.was_on):
                yield PreferenceChoice(
                    scope="category", name=category.category, channel=one.channel, allowed=box in form.is_on
                )


def _often(view: PreferencesView, form: _Form) -> Iterator[FrequencyChoice]:
    """Likewise, of how often; a digest is not chosen together with no mail."""
    for one in view.categories:
        often, box = form.is_often.get(one.category), f"{one.category} email"
        if often in _DIGESTS and box in form.shown and box not in form.is_on:
            continue
        if often is not None and often != form.was_often[one.category]:
            frequency = None if often == _USUAL else msgspec.convert(often, Frequency)
            yield FrequencyChoice(scope="category", name=one.category, frequency=frequency)


def _boxes(view: PreferencesView, locked: _Locked, words: Words, *, is_mailed: bool) -> Iterator[str]:
    often = {one.name: one.frequency for one in view.frequencies if one.scope == "category" and one.channel is None}
    for category in view.categories:
        yield f"<fieldset>\n<legend>{escape(words.heading(category.category))}</legend>\n"
        for one in category.channels:
            box = escape(f"{category.category} {one.channel}", quote=True)
            label = escape(words.channel(one.channel))
            if locked.holds(one.channel, category.category):
                yield f'<label class="choice shut"><input type="checkbox" disabled> {label}</label>\n'
                continue
            yield f'<input type="hidden" name="shown" value="{box}">\n'
            if one.allowed:
                yield f'<input type="hidden" name="was" value="{box}">\n'
            checked = " checked" if one.allowed else ""
            yield f'<label class="choice"><input type="checkbox" name="on" value="{box}"{checked}> {label}</label>\n'
        # Where no mail comes, no digest does.
        takes_mail = any(one.channel == "email" and one.allowed for one in category.channels)
        if is_mailed and takes_mail and not locked.holds("email", category.category) and _waits(category):
            yield _select(category.category, often.get(category.category, _USUAL), words)
        yield "</fieldset>\n"


def _waits(category: CategoryPreference) -> bool:
    """Whether any of it may be kept for a digest."""
    types = [one for one in message_types if one.category == category.category]
    return any(may_wait(one, way.channel) for one in types for way in category.channels)


def _select(category: str, chosen: str, words: Words) -> str:
    """How often, of a category."""
    name = escape(category, quote=True)
    options = "".join(
        f'<option value="{name} {one}"{" selected" if one == chosen else ""}>{escape(words[one])}</option>\n'
        for one in (_USUAL, *_OFTEN)
    )
    return (
        f'<input type="hidden" name="was_often" value="{name} {chosen}">\n'
        f'<label>{escape(words["often"])}\n<select name="often">\n{options}</select></label>\n'
    )


def _page(
    request: AnyRequest,
    services: Services,
    reader: LinkReader,
    view: PreferencesView,
    locked: _Locked,
    *,
    saved: bool = False,
) -> Response[bytes]:
    words = words_for(reader.locale, request.headers.get("accept-language"), reader.sender.locale)
    content = _ASK.replace("{was_saved}", _SAVED if saved else "")
    content = content.replace("{was_ended}", _ENDED if locked.mail else "")
    content = content.replace("{was_elsewhere}", _ELSEWHERE if locked.elsewhere else "")
    boxes = "".join(_boxes(view, locked, words, is_mailed=reader.address_hash is not None))
    content = content if boxes else content.replace("{boxes}", _NOTHING)
    for name in _WORDS:
        content = content.replace(f"{{{name}}}", words[name])
    title = words["saved" if saved else "choices"]
    return reader_page(services, words, title, content.replace("{boxes}", boxes), reader.sender)
