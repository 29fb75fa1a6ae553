"""The page where readers of a mail choose what they get, by its unsubscribe link, in a browser, without a script."""

from typing import Any

import httpx
import msgspec
import pytest
from api_callers import ORGANIZATION
from api_link_pages import Tab
from sqlalchemy import delete, insert, text

from singr_comms import EmailAddress, EmailEnvelope, SongRequest
from singr_comms.notifications._rows import recipient_hash
from singr_comms.notifications._unsubscribing import UnsubscribeLinks
from singr_config import Settings
from singr_db import Database, Sealer, new_id
from singr_db.tables import Recipient
from singr_dev.clock import VirtualClock

JANE = "jane@example.org"
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
LINK = "/v1/me/preferences/link"
SHOWN = "SELECT name, channel, allowed, source FROM preferences ORDER BY name, channel"


@pytest.fixture
async def link(db: Database, settings: Settings, site: str, callers: Any) -> str:
    """The unsubscribe link of a mail to a recipient."""
    sealer = Sealer(settings.auth.secret)
    print_ = recipient_hash(sealer, JANE)
    await known(db, "u-17", print_)
    envelope = EmailEnvelope(to=EmailAddress(JANE), message=SONG, idempotency_token="one")
    return str(UnsubscribeLinks(sealer, site).enclosed(envelope, "song_request", ORGANIZATION, print_).unsubscribe)


async def known(db: Database, external_id: str, print_: bytes) -> None:
    row = {"id": new_id(), "organization_id": ORGANIZATION, "external_id": external_id, "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(email_hash=print_, **row))


async def reached(db: Database, user_id: Any, locale: str) -> None:
    """Let an account be a recipient whose language is known."""
    row = {"id": new_id(), "organization_id": ORGANIZATION, "external_id": "ada", "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(delete(Recipient))
        await session.execute(insert(Recipient).values(user_id=user_id, locale=locale, **row))


# WCAG 2.2, 1.4.11: what tells a control from what is around it has a contrast of 3 at least.
EDGES = """(() => {
  const light = (css) => {
    const parts = css.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [red, green, blue] = parts.map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const card = light(getComputedStyle(document.querySelector("main")).backgroundColor);
  return [...document.querySelectorAll("[type=checkbox], select")].map((one) => {
    const edge = light(getComputedStyle(one).borderTopColor);
    return (Math.max(edge, card) + 0.05) / (Math.min(edge, card) + 0.05);
  });
})()"""


async def looks(tab: Tab, width: int, scheme: str) -> None:
    """Show the page on a screen: nothing of it stands out at the side, and what is off is seen as what is on."""
    screen = {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    await tab.page.command("Emulation.setDeviceMetricsOverride", **screen)
    await tab.page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert await tab.run("document.documentElement.scrollWidth") <= width
    edges = await tab.run(EDGES)
    assert min(edges) >= 3


async def chosen(db: Database) -> list[tuple[Any, ...]]:
    async with db.platform() as session:
        return [tuple(row) for row in await session.execute(text(SHOWN))]


@pytest.mark.xdist_group("browser")
@pytest.mark.timeout(180)
async def test_reader_switches_one_thing_off_and_nothing_else_is_chosen(link: str, tab: Tab, db: Database) -> None:
    await tab.open(link)
    await tab.open(await tab.run("document.querySelector('a.way').href"))
    await tab.until("document.title.startsWith('What you get')")
    assert await tab.run("document.querySelectorAll('script').length") == 0
    assert await chosen(db) == []
    for width, scheme in ((320, "light"), (320, "dark"), (800, "dark")):
        await looks(tab, width, scheme)
    assert await tab.run(
        "[...document.querySelectorAll('[type=checkbox], select')].every(one => one.labels.length == 1)"
    )
    await tab.click("[type=checkbox][value=\\'requests sms\\']")
    await looks(tab, 320, "dark")
    await tab.run("document.querySelector('button').click()")
    await tab.until("document.title.startsWith('Saved')")
    assert await tab.run("document.querySelector('[role=status]').innerText.startsWith('Saved.')")
    assert await chosen(db) == [("requests", "sms", False, "link")]
    assert await tab.run("document.querySelector(\"[value='requests sms'][type=checkbox]\").checked") is False
    assert await tab.cookies() == {}
    assert tab.page.complaints == []


async def test_only_the_reader_of_the_mail_chooses_and_only_what_the_page_showed(
    link: str, api: httpx.AsyncClient, db: Database, settings: Settings, world: Any
) -> None:
    token = link.rpartition("/")[2]
    path = f"/preferences/{token}"
    form = {"shown": ["requests sms", "account email"], "was": ["requests sms", "account email"]}
    for altered in ("A" * 108, "x", token[:-1] + ("A" if token[-1] != "A" else "B")):
        for method in ("GET", "POST"):
            world.problem(await api.request(method, f"/preferences/{altered}", data=form), 404, "not-found")
    for body in (b"\xff\xfe", b"shown=" + b"&shown=" * 1000, b"on=requests+sms", b"no form", b"shown=a&other=b"):
        world.problem(await api.post(path, content=body), 422, "invalid")
    nothing = await api.post(path, content=b"")
    assert (nothing.status_code, "Saved" in nothing.text) == (200, False)
    assert await chosen(db) == []
    for _ in range(2):
        saved = await api.post(path, data=form, headers={"origin": "null"})
        assert (saved.status_code, "set-cookie" in saved.headers) == (200, False)
    assert await chosen(db) == [("requests", "sms", False, "link")]
    # An address that several share, or that is nobody's any more, chooses for nobody.
    await known(db, "u-18", recipient_hash(Sealer(settings.auth.secret), JANE))
    world.problem(await api.get(path), 404, "not-found")
    async with db.platform() as session:
        await session.execute(delete(Recipient))
    world.problem(await api.post(path, data=form), 404, "not-found")
    assert "/preferences/" not in (await api.get(f"/v1/unsubscribe/{token}")).text


async def test_who_ended_everything_sees_that_no_choice_brings_mail_until_it_is_lifted(
    link: str, api: httpx.AsyncClient, db: Database
) -> None:
    token = link.rpartition("/")[2]
    path, shown = f"/preferences/{token}", 'name="shown" value="requests email"'
    before = (await api.get(path)).text
    assert (shown in before, "disabled" in before, "You have unsubscribed" in before) == (True, False, False)
    assert (await api.post(f"/v1/unsubscribe/{token}", data={"everything": "yes"})).status_code == 200
    form = {"shown": "requests sms", "was": "requests sms"}
    for after in (await api.get(path), await api.post(path, data=form)):
        assert (shown in after.text, "requests email" in after.text) == (False, False)
        assert '<input type="checkbox" disabled> E-mail<' in after.text
        assert "You have unsubscribed" in after.text
    assert await chosen(db) == [("requests", "sms", False, "link")]
    async with db.platform() as session:
        await session.execute(text("UPDATE suppressions SET lifted_at = now(), lifted_by = 'user', lifted_note = 'x'"))
    again = (await api.get(path)).text
    assert (shown in again, "disabled" in again, "You have unsubscribed" in again) == (True, False, False)


async def test_category_that_an_address_ended_is_off_on_its_readers_page_and_switched_on_there(
    link: str, api: httpx.AsyncClient, db: Database
) -> None:
    token = link.rpartition("/")[2]
    path, shown, was = (
        f"/preferences/{token}",
        'name="shown" value="requests email"',
        'name="was" value="requests email"',
    )
    assert was in (await api.get(path)).text
    assert (await api.post(f"/v1/unsubscribe/{token}", data=ONE_CLICK)).status_code == 200
    ended = (await api.get(path)).text
    assert (shown in ended, was in ended, "disabled" in ended, "You have unsubscribed" in ended) == (
        *(True, False),
        *(False, False),
    )
    on = {"shown": "requests email", "on": "requests email"}
    assert was in (await api.post(path, data=on)).text
    assert await chosen(db) == [("requests", "email", True, "link")]
    async with db.platform() as session:
        lifted = (await session.execute(text("SELECT scope, lifted_by, lifted_at IS NULL FROM suppressions"))).all()
    assert [tuple(row) for row in lifted] == [("category:requests", "recipient", False)]


async def test_link_to_a_former_address_shows_and_changes_no_choices_and_ends_what_goes_there(
    link: str, api: httpx.AsyncClient, db: Database, settings: Settings, site: str, world: Any
) -> None:
    async with db.platform() as session:
        whose = await session.scalar(text("SELECT id FROM recipients"))
    former = EmailEnvelope(to=EmailAddress("former@example.org"), message=SONG, idempotency_token="one")
    print_ = recipient_hash(Sealer(settings.auth.secret), "former@example.org")
    links = UnsubscribeLinks(Sealer(settings.auth.secret), site)
    token = str(links.enclosed(former, "song_request", ORGANIZATION, print_, whose).choices).rpartition("/")[2]
    form = {"shown": ["requests push", "requests email"], "was": "requests push", "on": "requests email"}
    for sent in ({"method": "GET"}, {"method": "POST", "data": form}):
        told = world.problem(await api.request(url=f"/preferences/{token}", **sent), 404, "not-found")
        assert [one["code"] for one in told["errors"]] == ["revoked"]
        page = await api.request(url=f"/preferences/{token}", **sent, headers={"accept": "text/html"})
        assert "This link was sent to an earlier address" in page.text
    done = await api.post(f"/v1/unsubscribe/{token}", data=ONE_CLICK)
    assert ("the address that your mail was sent to" in done.text, "/preferences/" in done.text) == (True, False)
    assert await chosen(db) == []
    async with db.platform() as session:
        assert list(await session.scalars(text("SELECT address_hash FROM suppressions"))) == [print_]
    assert 'name="was" value="requests email"' in (await api.get(f"/preferences/{link.rpartition('/')[2]}")).text


@pytest.mark.xdist_group("browser")
@pytest.mark.timeout(180)
async def test_whoever_is_signed_in_opens_their_page_in_their_language_and_chooses_as_themselves(
    site: str, tab: Tab, db: Database, someone: Any, api: httpx.AsyncClient, clock: VirtualClock, world: Any
) -> None:
    ada = await someone(member="customer_owner")
    asked = {"organization_id": str(ORGANIZATION)}
    world.problem(await api.post(LINK, params=asked, headers=ada.bearer), 404, "not-found")
    for locale in ("ar", "de"):
        await reached(db, ada.user_id, locale)
        made = (await api.post(LINK, params=asked, headers=ada.bearer)).json()
        address = f"{site}/preferences/{made['url'].rpartition('/')[2]}"
        await tab.open(address)
        way = "rtl" if locale == "ar" else "ltr"
        assert await tab.run("document.documentElement.lang + ' ' + document.dir") == f"{locale} {way}"
        for width in (320, 800):
            for scheme in ("light", "dark"):
                await looks(tab, width, scheme)
    assert await tab.run("document.querySelectorAll('select').length") == 0, "no address, no digest"
    await tab.run("document.querySelector('[type=checkbox][value=\\'requests sms\\']').click()")
    await tab.run("document.querySelector('button').click()")
    await tab.until("document.title.startsWith('Gespeichert')")
    assert await chosen(db) == [("requests", "sms", False, "recipient")]
    assert (await tab.cookies(), tab.page.complaints) == ({}, [])
    world.problem(await api.post(f"/v1/unsubscribe/{address.rpartition('/')[2]}", data=ONE_CLICK), 404, "not-found")
    clock.advance(seconds=3601)
    over = world.problem(await api.get(address.removeprefix(site)), 404, "not-found")
    assert over["errors"][0]["code"] == "expired"


@pytest.mark.parametrize("leave", ["everywhere", "this one", "unused"])
async def test_link_of_who_is_signed_in_opens_nothing_once_its_session_has_ended(
    someone: Any, api: httpx.AsyncClient, db: Database, world: Any, leave: str
) -> None:
    ada = await someone(member="customer_owner")
    await reached(db, ada.user_id, "de")
    made = await api.post(LINK, params={"organization_id": str(ORGANIZATION)}, headers=ada.bearer)
    path = f"/preferences/{made.json()['url'].rpartition('/')[2]}"
    assert (await api.get(path)).status_code == 200
    match leave:
        case "everywhere":
            left = await api.post("/v1/auth/sign-out-everywhere", headers=ada.bearer)
        case "this one":
            left = await api.delete(f"/v1/auth/sessions/{ada.session_id}", headers=ada.bearer)
        case _:
            left = None
            async with db.platform() as session:
                await session.execute(text("UPDATE auth_sessions SET idle_expires_at = now()"))
    assert left is None or left.is_success, left.text
    form = {"shown": "requests sms", "was": "requests sms"}
    for answer in (await api.get(path), await api.post(path, data=form)):
        assert [one["code"] for one in world.problem(answer, 404, "not-found")["errors"]] == ["expired"]
    assert await chosen(db) == []


async def test_page_is_limited_by_address_and_a_mail_programs_button_is_not(
    link: str, settings: Settings, serve_app: Any, world: Any
) -> None:
    token = link.rpartition("/")[2]
    limits = msgspec.structs.replace(settings.limits, requests_per_minute=3)
    async with (
        serve_app(msgspec.structs.replace(settings, limits=limits)) as url,
        httpx.AsyncClient(base_url=url) as reader,
    ):
        answers = [await reader.post(f"/preferences/{token}") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429]
        world.problem(answers[-1], 429, "rate-limited")
        assert (await reader.post(f"/v1/unsubscribe/{token}", data=ONE_CLICK)).status_code == 200


async def often(db: Database) -> list[tuple[Any, ...]]:
    async with db.platform() as session:
        asked = text("SELECT scope, name, channel, frequency, source FROM digest_choices")
        return [tuple(row) for row in await session.execute(asked)]


async def test_reader_says_how_often_on_the_page_and_takes_it_back(
    link: str, api: httpx.AsyncClient, db: Database, world: Any
) -> None:
    path = f"/preferences/{link.rpartition('/')[2]}"
    assert 'value="requests usual" selected' in (await api.get(path)).text
    form = {"was_often": ["requests usual", "stock usual"], "often": ["requests weekly", "stock usual"]}
    for wrong in (
        {"often": ["requests weekly"]},
        {"often": ["requests hourly"], "was_often": ["requests usual"]},
    ):
        world.problem(await api.post(path, data=wrong), 422, "invalid")
    assert await often(db) == []
    saved = await api.post(path, data=form)
    assert 'value="requests weekly" selected' in saved.text
    assert await often(db) == [("category", "requests", None, "weekly", "link")]
    back = await api.post(path, data={"was_often": ["requests weekly"], "often": ["requests usual"]})
    assert 'value="requests usual" selected' in back.text
    assert await often(db) == []
    both = {"shown": "requests email", "was": "requests email"}
    both |= {"was_often": ["requests usual"], "often": ["requests weekly"]}
    unmailed = await api.post(path, data=both)
    assert "requests usual" not in unmailed.text, "no mail, no digest"
    assert await often(db) == []
    on = {"shown": "requests email", "on": "requests email"}
    assert "requests usual" in (await api.post(path, data=on)).text
    assert (await api.post(f"/v1/unsubscribe/{link.rpartition('/')[2]}", data=ONE_CLICK)).status_code == 200
    assert "requests usual" not in (await api.get(path)).text


async def test_one_click_on_a_recipients_mail_ends_its_category_and_offers_the_rest(
    link: str, api: httpx.AsyncClient, db: Database, settings: Settings
) -> None:
    sealer = Sealer(settings.auth.secret)
    async with db.platform() as session:
        whose = (ORGANIZATION, recipient_hash(sealer, JANE), await session.scalar(text("SELECT id FROM recipients")))
        await session.execute(text("UPDATE recipients SET locale = 'ar-EG'"))
    envelope = EmailEnvelope(to=EmailAddress(JANE), message=SONG, idempotency_token="one")
    address = UnsubscribeLinks(sealer, "").enclosed(envelope, "song_request", *whose)
    assert address.unsubscribe is None, "nowhere to lead to"
    address = str(UnsubscribeLinks(sealer, "http://x.example").enclosed(envelope, "song_request", *whose).unsubscribe)
    path = address.removeprefix("http://x.example")
    asked = await api.get(path)
    assert 'lang="ar" dir="rtl"' in asked.text
    for _ in range(2):
        done = await api.post(path, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert 'name="everything"' in done.text
        assert path.replace("/v1/unsubscribe", "/preferences") in done.text
        assert await chosen(db) == [("requests", "email", False, "unsubscribe")]
    everything = await api.post(path, data={"everything": "yes"})
    assert 'name="everything"' not in everything.text
    async with db.platform() as session:
        scopes = list(await session.scalars(text("SELECT scope FROM suppressions ORDER BY id")))
    assert scopes == ["category:requests", "marketing"], "of the address, too, whoever else has it"
