"""One-click unsubscribing, from the mail as each provider was given it to the page and the POST of a mail program."""

import email
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_callers import ORGANIZATION
from api_link_pages import Tab
from sqlalchemy import text

from singr_api.wiring.reader_words import _SAID, words_for
from singr_comms import (
    EmailAddress,
    MailjetProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    ResendProvider,
    SmtpProvider,
    SongRequest,
)
from singr_comms.notifications import EmailRequest, MessageSender, queue_email
from singr_config import LimitSettings, Secret, Settings
from singr_db import Database, Sealer
from singr_dev.simulators import MailjetSimulator, ResendSimulator
from singr_jobs import PermanentError
from singr_observability import build_metrics

SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr")
SONG = EmailRequest(
    to=EmailAddress("jane@example.org", "Jane"),
    message=SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests"),
)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made


class Post:
    """Sends song requests as a worker does."""

    def __init__(self, db: Database, settings: Settings, api: str) -> None:
        self.db, self.api = db, api
        self.sealer = Sealer(settings.auth.secret)

    async def send(self, provider: Any) -> str:
        async with self.db.tenant(ORGANIZATION) as session:
            queued = await queue_email(session, SONG, sealer=self.sealer, organization_id=ORGANIZATION)
        sender = MessageSender(
            self.db,
            self.sealer,
            email=provider,
            sms=MemorySmsProvider(),
            push=MemoryPushProvider(),
            limits=LimitSettings(),
            metrics=build_metrics(),
            api_url=self.api,
        )
        assert queued.message_id is not None
        try:
            await sender.send("email", queued.message_id, organization_id=ORGANIZATION, is_last_attempt=True)
        except PermanentError as error:
            return error.code
        return "sent"

    async def scopes(self) -> list[str]:
        async with self.db.platform() as session:
            return list(await session.scalars(text("SELECT scope FROM suppressions ORDER BY id")))

    async def reasons(self) -> list[str]:
        async with self.db.platform() as session:
            return list(await session.scalars(text("SELECT reason FROM suppressions WHERE lifted_at IS NULL")))


@pytest.fixture
def post(db: Database, settings: Settings, site: str, callers: Any) -> Post:
    return Post(db, settings, site)


async def test_mail_as_each_provider_was_given_it_is_unsubscribed_from_by_one_post(
    post: Post, http: httpx.AsyncClient, api: httpx.AsyncClient, inbox: Any, callers: Any, client: Any, world: Any
) -> None:
    own = client(str(api.base_url), callers.own)
    with MailjetSimulator().serve() as mailjet, ResendSimulator().serve() as resend:
        keys = {"api_key": Secret(mailjet.api_key), "secret_key": Secret(mailjet.secret_key)}
        by_mailjet = MailjetProvider(http, **keys, sender=SENDER, base_url=mailjet.base_url)
        by_resend = ResendProvider(http, api_key=Secret(resend.api_key), sender=SENDER, base_url=resend.base_url)
        by_smtp = SmtpProvider(host=inbox.smtp_host, port=inbox.smtp_port, sender=SENDER)
        given = {
            by_mailjet: lambda: mailjet.received[-1].message["Headers"],
            by_resend: lambda: resend.received[-1].message["headers"],
            by_smtp: lambda: email.message_from_bytes(inbox.mails[-1].raw),
        }
        for provider, headers in given.items():
            assert await post.send(provider) == "sent"
            assert headers()["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            link = headers()["List-Unsubscribe"].strip("<>")
            # as a scanner follows it; as mailboxes' servers and pages post, by form of either kind
            clicked = f"{link}?utm_source=mail&utm_source=%ff"  # as those add to it who count clicks
            for address in (link, clicked):
                assert (await http.get(address)).status_code == 200
            assert (await http.head(link)).status_code == 200
            assert await post.send(provider) == "sent"
            for sent in ({}, {"content": b"x=1"}, {"data": {"List-Unsubscribe": "Never"}}, {"content": b"\xff\x00"}):
                world.problem(await http.post(link, **sent), 422, "invalid")
            assert await post.reasons() == []
            for sent in ({"data": ONE_CLICK}, {"files": {"List-Unsubscribe": (None, "One-Click")}}):
                for address in (clicked, link):
                    answer = await http.post(address, **sent, headers={"origin": "https://mail.example"})
                    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
            assert await post.reasons() == ["unsubscribed"]
            assert await post.send(provider) == "opt_out"
            [shown] = (await own.get("/v1/suppressions", params={"recipient": "jane@example.org"})).json()["items"][:1]
            assert (shown["reason"], shown["scope"], shown["of_all"]) == ("unsubscribed", "category", False)
            assert shown["category"] == "requests"
            note = {"note": "They asked for it again."}
            lifted = await own.post(f"/v1/suppressions/{shown['id']}/lift", json=note, headers=world.key())
            assert lifted.status_code == 200
        await by_smtp.close()


async def test_altered_link_is_not_found_and_changes_nothing(post: Post, api: httpx.AsyncClient, world: Any) -> None:
    for token in ("A" * 108, "x", "A" * 107 + "%00", "%E2%80%AE" * 20):
        for method in ("GET", "POST"):
            world.problem(await api.request(method, f"/v1/unsubscribe/{token}"), 404, "not-found")
    assert await post.reasons() == []


async def mailed_link(post: Post, http: httpx.AsyncClient) -> str:
    """The link that a mail's reader unsubscribes by."""
    with ResendSimulator().serve() as resend:
        provider = ResendProvider(http, api_key=Secret(resend.api_key), sender=SENDER, base_url=resend.base_url)
        assert await post.send(provider) == "sent"
        return str(resend.received[0].message["headers"]["List-Unsubscribe"]).strip("<>")


async def test_page_says_no_name_that_no_brand_could_have(post: Post, http: httpx.AsyncClient, db: Database) -> None:
    async with db.platform() as session:
        await session.execute(
            text("UPDATE organizations SET name = 'Singr Security' WHERE id = :id"), {"id": ORGANIZATION}
        )
    page = (await http.get(await mailed_link(post, http))).text
    assert "<bdi>this sender</bdi>" in page
    assert "Security" not in page.partition("<main>")[2]


async def test_sign_that_a_mail_program_took_into_the_link_is_no_part_of_it(
    post: Post, http: httpx.AsyncClient
) -> None:
    link = await mailed_link(post, http)
    for mark in (".", ")", ",", ">", "%3E", ";", "/", ")."):
        assert (await http.get(link + mark)).status_code == 200, mark
        choices = await http.get(link.replace("/v1/unsubscribe/", "/preferences/") + mark)
        assert choices.json()["detail"] == "This organization has no such recipient.", mark  # the link itself was read
    assert (await http.get(f"{link}A.")).status_code == 404
    assert (await http.post(f"{link}).", data=ONE_CLICK)).status_code == 200
    assert await post.reasons() == ["unsubscribed"]


@pytest.mark.xdist_group("browser")
@pytest.mark.timeout(180)
async def test_page_has_one_button_and_changes_nothing_before_it_is_pressed(
    post: Post, tab: Tab, http: httpx.AsyncClient, db: Database
) -> None:
    async with db.platform() as session:
        await session.execute(
            text("UPDATE organizations SET name = '<b>Blue</b> & $brand {title}' WHERE id = :id"), {"id": ORGANIZATION}
        )
    link = await mailed_link(post, http)
    answer = await http.get(link)
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == policy["style-src"] == "'self'"
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert link.rpartition("/")[2] not in answer.text
    await tab.open(link)
    assert "stop mail about song requests from <b>Blue</b> & $brand {title}." in await tab.text()
    assert await tab.run("document.querySelectorAll('button, a, script').length") == 1
    assert await post.reasons() == []
    await tab.click("button")
    await tab.until("document.title.startsWith('You are unsubscribed')")
    assert "You are unsubscribed" in await tab.text()
    assert await tab.cookies() == {}
    assert tab.page.complaints == []
    assert await post.reasons() == ["unsubscribed"]
    await tab.click("button")
    await tab.until("document.querySelectorAll('button').length == 0")
    assert "no longer get mail from <b>Blue</b> & $brand {title}." in await tab.text()
    assert await post.scopes() == ["category:requests", "marketing"]


@pytest.mark.parametrize(
    ("accepted", "lang", "way", "button"),
    [
        ("ar-EG, de;q=0.5", "ar", "rtl", "إلغاء الاشتراك"),
        ("fr, de;q=0.9, en;q=0.95;x, de-CH;q=0.8", "de", "ltr", "Abbestellen"),
        ("*;q=0.1, ar;q=0.000, de;q=0.0, en;q=0, \x00", "en", "ltr", "Unsubscribe"),
    ],
)
def test_page_is_in_the_language_that_its_readers_browser_asks_for(
    accepted: str, lang: str, way: str, button: str
) -> None:
    words = words_for(None, accepted)
    assert (words.lang, words.dir, words["unsubscribe"]) == (lang, way, button)
    assert words_for("de-AT", accepted).lang == "de", "what is kept of them goes first"
    assert (words.category("own_things"), words.heading("own_things")) == ("own things", "Own things")


def test_every_word_is_there_in_every_language_with_the_same_names_in_it() -> None:
    english, *others = _SAID.values()
    for one in others:
        assert one.keys() == english.keys()
        for name, said in one.items():
            assert ("{sender}" in said, "{category}" in said) == (
                "{sender}" in english[name],
                "{category}" in english[name],
            )
