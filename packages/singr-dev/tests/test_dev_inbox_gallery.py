"""The gallery shows every type of message in every channel it travels by, those of strangers among them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from singr_comms import message_types
from singr_comms.catalogue import MessageType
from singr_config import BrandSettings
from singr_dev.browser import Browser
from singr_dev.inbox import Inbox
from singr_dev.inbox._gallery import in_scheme, preview_of


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path / "inbox") as inbox:
        yield inbox


@pytest.mark.parametrize("one", sorted(message_types, key=lambda one: one.name), ids=lambda one: one.name)
def test_every_type_is_shown_by_its_own_examples_in_all_of_its_channels(gallery: Inbox, one: MessageType):
    assert f'href="/templates/{one.name}"' in httpx.get(f"{gallery.url}/templates").text
    shown = httpx.get(f"{gallery.url}/templates/{one.name}").text
    assert shown.count("<section>") == len(one.samples())
    assert 'role="alert"' not in shown
    for channel in one.models:
        assert {"email": "Subject", "sms": "GSM-7", "push": "of 4,096 bytes"}[channel] in shown
    for number, (channel, _) in enumerate(one.samples()):
        frame = httpx.get(f"{gallery.url}/templates/{one.name}/{number}/html?scheme=dark")
        assert frame.status_code == (200 if channel == "email" else 404)
        if channel == "email":
            assert preview_of(frame.text), "what lists show behind the subject"
            assert "sandbox" in frame.headers["content-security-policy"]
            assert "prefers-color-scheme" not in frame.text


def test_example_shows_what_people_typically_type(gallery: Inbox):
    shown = httpx.get(f"{gallery.url}/templates/song_request").text
    assert "New request at The Velvet Microphone: Somebody to Love by Queen" in shown


def test_gallery_shows_the_brand_that_is_set(gallery: Inbox):
    gallery.brand = BrandSettings(name="Karaoke & Co")
    assert "Your Karaoke &amp; Co security code" in httpx.get(f"{gallery.url}/templates/two_factor_code").text


def test_type_of_a_stranger_shows_up_by_itself_as_does_an_edited_text(
    gallery: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = message_types.named("verification_code")
    assert known is not None

    class Ours(known.models["sms"], tag="tried_here"):  # type: ignore[misc, name-defined] # made of another type
        """Something of ours."""

    (tmp_path / "sms.txt").write_text("Code {{ code }}")
    own = MessageType(
        tmp_path,
        sms=Ours,
        when_unknown="repeat",
        carries_code=True,
        examples=(lambda: Ours(code="042917", expiry_minutes=5),),
    )
    for name in ("_by_name", "_by_model"):
        monkeypatch.setattr(message_types, name, dict(getattr(message_types, name)))
    message_types.add(own)
    assert "Something of ours." in httpx.get(f"{gallery.url}/templates").text
    assert "Code 042917" in httpx.get(f"{gallery.url}/templates/tried_here").text
    (tmp_path / "sms.txt").write_text("Your code: {{ code }}")
    assert "Your code: 042917" in httpx.get(f"{gallery.url}/templates/tried_here").text
    (tmp_path / "sms.txt").write_text("Your code: {{ coed }}")
    broken = httpx.get(f"{gallery.url}/templates/tried_here")
    assert broken.status_code == 200
    assert "UndefinedError" in broken.text


def test_nothing_but_types_and_their_examples_is_found(gallery: Inbox):
    for path in ("no_such", "welcome/9/html", "welcome/0/html?scheme=sepia", "one_time_code/0/html"):
        assert httpx.get(f"{gallery.url}/templates/{path}").status_code == 404


def test_colours_follow_what_is_asked_for_and_not_the_browser():
    asked = "@media (prefers-color-scheme: dark) { a } @media screen and (prefers-color-scheme:light) { b }"
    assert in_scheme(asked, "dark") == "@media (min-width: 0) { a } @media screen and (max-width: 0) { b }"
    assert in_scheme(asked, "light") == "@media (max-width: 0) { a } @media screen and (min-width: 0) { b }"


@pytest.mark.xdist_group("browser")
async def test_mails_are_shown_narrow_and_wide_in_both_colours(gallery: Inbox, browser: Browser):
    tab = await browser.page()
    await tab.command("Emulation.setDeviceMetricsOverride", width=320, height=740, deviceScaleFactor=1, mobile=False)
    await tab.open(f"{gallery.url}/templates/two_factor_code")
    await tab.run("document.querySelectorAll('iframe').forEach((frame) => { frame.loading = 'eager'; })")
    ground = "getComputedStyle(frame.contentDocument.querySelector('td.singr-card')).backgroundColor"
    frames = f"[...document.querySelectorAll('iframe')].map((frame) => [frame.clientWidth, {ground}])"
    ready = "[...document.querySelectorAll('iframe')].every((f) => f.contentDocument?.querySelector('td.singr-card'))"
    await tab.wait_for(ready)
    light, dark = "rgb(255, 255, 255)", "rgb(31, 28, 43)"
    assert await tab.run(frames) == [[800, light], [320, light], [800, dark], [320, dark]]
    assert await tab.run("document.documentElement.scrollWidth") <= 320
    assert tab.complaints == []
