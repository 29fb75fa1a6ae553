"""The browser for tests does what a person's would, and is gone afterwards."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from singr_dev._chromium import Messages
from singr_dev.browser import Browser, BrowserError, Chromium, ScriptError

pytestmark = pytest.mark.xdist_group("browser")  # one Chromium for all

PAGE = b"<!doctype html><title>Here</title><p id=told></p><script>document.cookie='a=1'</script>"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n" + PAGE)
    writer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}/"


async def test_page_is_opened_scripts_run_and_requests_are_seen(browser: Browser, url: str) -> None:
    page = await browser.page()
    await page.open(url)
    assert await page.run("document.title") == "Here"
    assert await page.run("Promise.resolve({a: [1, null]})") == {"a": [1, None]}
    assert page.requests[0] == url
    await page.run("void setTimeout(() => document.getElementById('told').textContent = 'late', 50)")
    assert await page.wait_for("document.getElementById('told').textContent") == "late"


async def test_failed_script_and_unreachable_address_raise(browser: Browser) -> None:
    page = await browser.page()
    with pytest.raises(ScriptError, match="no such luck"):
        await page.run("Promise.reject(new Error('no such luck'))")
    with pytest.raises(BrowserError, match="ERR_CONNECTION_REFUSED"):
        await page.open(f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(BrowserError):
        await page.command("No.suchCommand")


async def test_tabs_share_no_cookies(browser: Browser, url: str) -> None:
    first, second = await browser.page(), await browser.page()
    await first.open(url)
    assert await first.run("document.cookie") == "a=1"
    await second.command("Emulation.setScriptExecutionDisabled", value=True)
    await second.open(url)
    assert await second.run("document.cookie") == ""


async def test_browser_is_gone_after_its_block_and_says_so(browser: Browser) -> None:
    async with Browser.launch() as other:
        pid = other.process.pid
        page = await other.page()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(BrowserError, match="has ended"):
        await page.run("1")
    assert await (await browser.page()).run("1") == 1


async def test_what_comes_after_in_the_same_browser_finds_nothing_of_what_was_before(
    _singr_chromium: Callable[[], Chromium],  # noqa: PT019 — it has a value
    url: str,
) -> None:
    async with Browser.at(_singr_chromium()) as before:
        page = await before.page()
        await page.open(url)
        await page.run(f"void window.open({url!r})")
        await page.opened()
    async with Browser.at(_singr_chromium()) as after:
        left = (await after.command("Target.getTargets"))["targetInfos"]
        assert [target["url"] for target in left if target["type"] == "page"] == ["about:blank"]
        page = await after.page()
        await page.command("Emulation.setScriptExecutionDisabled", value=True)
        await page.open(url)
        assert await page.run("document.cookie") == ""
    assert before.process is after.process
    with pytest.raises(BrowserError, match="has ended"):
        await before.page()


async def test_browser_that_does_not_answer_is_ended() -> None:
    chromium = Chromium()
    os.kill(chromium.pid, signal.SIGKILL)
    with pytest.raises(BrowserError, match="has ended"):
        async with Browser.at(chromium):
            pass
    assert chromium.ended


async def test_message_that_comes_in_two_pieces_over_two_connections_is_one() -> None:
    unread, seen = bytearray(), list[bytes]()
    Messages(unread, seen.append, lambda: None).data_received(b"one\0two\0thr")
    Messages(unread, seen.append, lambda: None).data_received(b"ee\0")
    assert seen == [b"one", b"two", b"three"]


async def test_program_that_is_no_browser_is_reported() -> None:
    with pytest.raises(BrowserError, match="has ended"):
        async with Browser.launch("/bin/true"):
            pass
