"""The inbox's pages in a real browser: narrow and wide, whole mails, links that lead on, mails that do nothing."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from singr_dev._serving import Receive, Scope, Send, serving
from singr_dev.browser import Browser, Page
from singr_dev.inbox import Inbox

pytestmark = pytest.mark.xdist_group("browser")  # one Chromium for all

LONG = "a-very-long-word-without-a-place-to-break-it-" * 4


class Elsewhere:
    """Another site: the title of a page says which one it is, and whether its scripts run."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        body = f"<title>no script</title><script>document.title = 'ran {scope['path']}'</script>"
        await send({"type": "http.response.body", "body": body.encode()})


@pytest.fixture
def site() -> Iterator[Elsewhere]:
    made = Elsewhere()
    with serving(made) as made.url:
        yield made


def deliver(inbox: Inbox, html: str = "", *, text: str = "Words.", subject: str = "Subject") -> str:
    """The address of the page that shows it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "Singr <noreply@example.org>",
        "Jane <jane@example.org>",
        subject,
    )
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port, timeout=10) as client:
        client.send_message(message)
    return f"{inbox.url}/mail/{inbox.mails[-1].id}"


async def resize(page: Page, width: int) -> None:
    await page.command("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=False)


async def click_in_mail(page: Page, selector: str) -> None:
    """Click with the mouse in the middle of something in the mail's frame."""
    find = f"document.querySelector('iframe').contentDocument?.querySelector('{selector}')"
    await page.wait_for(f"Boolean({find})")
    x, y = await page.run(
        f"(() => {{ const link = {find}; link.scrollIntoView({{block: 'center'}});"
        " const frame = document.querySelector('iframe').getBoundingClientRect(), box = link.getBoundingClientRect();"
        " return [frame.x + 1 + box.x + box.width / 2, frame.y + 1 + box.y + box.height / 2]; })()"
    )
    await page.press(x, y)


async def test_pages_are_no_wider_than_the_window(inbox: Inbox, browser: Browser):
    shown = deliver(inbox, f"<p>{LONG}</p>", text=LONG, subject=LONG)
    page = await browser.page()
    for width in (320, 360, 1280):
        await resize(page, width)
        for address in (inbox.url, shown):
            await page.open(address)
            assert await page.run("document.documentElement.scrollWidth") <= width, f"{address} in {width}"


async def test_frame_is_as_tall_as_the_mail(inbox: Inbox, browser: Browser):
    page = await browser.page()
    for height in (40, 2500):
        await page.open(deliver(inbox, f"<!doctype html><body style='margin:0'><div style='height:{height}px'></div>"))
        await page.wait_for(f"document.querySelector('iframe').clientHeight === {height}")


async def test_frame_follows_the_window_s_width(inbox: Inbox, browser: Browser):
    page = await browser.page()
    await resize(page, 1280)
    await page.open(deliver(inbox, "<!doctype html><body style='margin:0'>" + "word " * 600))
    tall = "document.querySelector('iframe').clientHeight"
    fits = f"{tall} === document.querySelector('iframe').contentDocument.documentElement.scrollHeight"
    await page.wait_for(fits)
    wide = await page.run(tall)
    await resize(page, 360)
    await page.wait_for(f"{tall} > {wide} && {fits}")


@pytest.mark.parametrize("attributes", ["", ' target="_blank"', ' rel="noopener" target="other"'])
async def test_link_in_a_mail_opens_in_an_ordinary_tab(
    inbox: Inbox, browser: Browser, site: Elsewhere, attributes: str
):
    page = await browser.page()
    await page.open(deliver(inbox, f'<p>Hello</p><a href="{site.url}/there"{attributes}>there</a>'))
    await click_in_mail(page, "a")
    opened = await page.opened()
    await opened.wait_for("document.title === 'ran /there'")


async def test_address_in_plain_text_can_be_followed(inbox: Inbox, browser: Browser, site: Elsewhere):
    page = await browser.page()
    await page.open(deliver(inbox, text=f'Go to {site.url}/plain?a=1&b="<2>.\n'))
    x, y = await page.run(
        "(() => { const box = document.querySelector('pre a').getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    await page.press(x, y)
    opened = await page.opened()
    await opened.wait_for("document.title === 'ran /plain'")
    assert await opened.run("location.search") == "?a=1&b="


HOSTILE = (
    "<script>top.document.title = 'ran'</script>",
    "<img src=x: onerror=\"top.document.title = 'ran'\">",
    "<svg onload=\"top.document.title = 'ran'\"></svg>",
    "<meta http-equiv=refresh content='0; url=http://127.0.0.1:1/'>",
    "<iframe srcdoc=\"<script>top.document.title = 'ran'</script>\"></iframe>",
)


async def test_mail_runs_nothing_and_leads_nowhere_by_itself(inbox: Inbox, browser: Browser):
    page = await browser.page()
    for hostile in HOSTILE:
        address = deliver(inbox, f"{hostile}<p>whole</p>")
        await page.open(address)
        await page.wait_for("document.querySelector('iframe').contentDocument?.querySelector('p')")
        assert await page.run("document.title") == "Subject", hostile
        assert await page.run("location.href") == address, hostile
        assert not [url for url in page.requests if ":1/" in url], hostile


@pytest.mark.parametrize("target", ["", ' target="_top"', ' target="_blank"', ' target="_parent"'])
async def test_script_behind_a_link_does_not_run(inbox: Inbox, browser: Browser, site: Elsewhere, target: str):
    run = "(opener || top).document.title = 'ran'"
    shown = f"""<a id=bad href="javascript:{run}"{target}>bad</a><br><br><a id=good href="{site.url}/good">good</a>"""
    page = await browser.page()
    await page.open(deliver(inbox, shown))
    await click_in_mail(page, "#bad")
    await click_in_mail(page, "#good")  # once it has opened, what the first click might do is done
    while "/good" not in site.asked:
        await page.run("new Promise((done) => setTimeout(done, 20))")
    assert await page.run("document.title") == "Subject"
