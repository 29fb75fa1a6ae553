"""A real browser for tests: an installed Chromium, without a window, driven over the Chrome DevTools Protocol.

It is spoken to through a pipe, so it needs no port and no driver, and ends when its caller does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import msgspec

from singr_dev._chromium import INSTALL, BrowserError, Chromium, Connection, find_browser

__all__ = ["INSTALL", "Browser", "BrowserError", "Chromium", "Page", "ScriptError", "find_browser"]

PATIENCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02
# How Chromium refuses to evaluate while one page gives way to the next.
_BETWEEN_PAGES: Final = ("navigated or closed", "default execution context", "context was destroyed")


class ScriptError(BrowserError):
    """A script that a page was told to run has failed; carries what it threw."""


class Page:
    """One tab.

    Attributes:
        requests: the addresses it has asked for so far.
        complaints: what its console says is wrong: errors, refused loads, what a content security policy forbids.
    """

    def __init__(self, browser: "Browser", session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools Protocol to this tab.

        Raises:
            BrowserError: it was refused, or the browser has ended.
        """
        return await self._browser.command(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address, and wait until it has loaded.

        Raises:
            BrowserError: nothing answers there, or it does not finish.
        """
        self._loaded.clear()
        answer = await self.command("Page.navigate", url=url)
        if answer.get("errorText"):
            raise BrowserError(f"{url}: {answer['errorText']}")
        await asyncio.wait_for(self._loaded.wait(), PATIENCE_SECONDS)

    async def run(self, script: str) -> Any:
        """Evaluate an expression, await its promise, as after a click of the person, and return its JSON value.

        Raises:
            ScriptError: it threw.
        """
        answer = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ScriptError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    async def wait_for(self, script: str) -> Any:
        """Evaluate an expression until it is truthy, on whatever page the tab goes to meanwhile, and return that.

        Raises:
            BrowserError: it never was.
        """
        promise = (
            "new Promise((done) => { const look = () => { const found = (() => (%s))();"
            " if (found) done(found); else setTimeout(look, 20); }; look(); })"
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    try:
                        return await self.run(promise % script)
                    except ScriptError:
                        raise
                    except BrowserError as error:
                        if not any(words in str(error) for words in _BETWEEN_PAGES):
                            raise
                        await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise BrowserError(f"this never came true: {script}") from None

    async def press(self, x: float, y: float) -> None:
        """Click with the mouse at a place of the window, whatever lies there (CSS pixels from its upper left)."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def opened(self) -> "Page":
        """Wait for a tab that this one has opened, and return it.

        Raises:
            BrowserError: it has opened none.
        """
        return await self._browser.opened_in(self._context)

    def heard(self, method: str, parameters: dict[str, Any]) -> None:
        """Take an event of this tab in."""
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"]["text"])


class Browser:
    """What one event loop says to a browser; make it with `launch`, or with `at` where one runs already."""

    def __init__(self, process: Chromium) -> None:
        self.process = process
        self._connection: Connection | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._contexts: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def launch(cls, program: str | None = None) -> AsyncIterator[Self]:
        """Start a browser, and end it with the block.

        Raises:
            BrowserError: none is installed, or it did not start.
        """
        process = Chromium(program)
        try:
            async with cls.at(process) as browser:
                yield browser
        finally:
            await asyncio.to_thread(process.end)

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, process: Chromium) -> AsyncIterator[Self]:
        """Speak to a browser that runs; with the block go the tabs opened in it, and all that sites have stored.

        Raises:
            BrowserError: it does not answer; then it is ended.
        """
        browser = cls(process)
        browser._connection = await process.connect(browser._take, browser._gone)
        try:
            await browser.command("Browser.getVersion")
            yield browser
            for context in browser._contexts:
                await browser.command("Target.disposeBrowserContext", browserContextId=context)
        except BrowserError:
            await asyncio.to_thread(process.end)
            raise
        finally:
            connection, browser._connection = browser._connection, None
            if connection is not None:
                await connection.close()

    async def page(self) -> Page:
        """Open a tab, in a context of its own: it shares no cookies with others."""
        context = (await self.command("Target.createBrowserContext"))["browserContextId"]
        self._contexts.append(context)
        target = await self.command("Target.createTarget", url="about:blank", browserContextId=context)
        return await self._attach(target["targetId"], context)

    async def opened_in(self, context: str) -> Page:
        """See `Page.opened`."""
        for _ in range(int(PATIENCE_SECONDS / _LOOK_SECONDS)):
            for target in (await self.command("Target.getTargets"))["targetInfos"]:
                if target["type"] == "page" and target.get("browserContextId") == context and not target["attached"]:
                    return await self._attach(target["targetId"], context)
            await asyncio.sleep(_LOOK_SECONDS)
        raise BrowserError("no tab was opened")

    async def _attach(self, target: str, context: str) -> Page:
        attached = await self.command("Target.attachToTarget", targetId=target, flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"], context)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await page.command(f"{domain}.enable")
        return page

    async def command(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; see `Page.command`."""
        if self._connection is None:
            raise BrowserError("the browser has ended")
        number = next(self.process.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._connection.write(msgspec.json.encode(message) + b"\0")
        try:
            return await asyncio.wait_for(answer, PATIENCE_SECONDS)
        except TimeoutError:
            raise BrowserError(f"{method} was not answered within {PATIENCE_SECONDS:.0f} seconds") from None
        finally:
            self._waiting.pop(number, None)

    def _gone(self) -> None:
        self._connection = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BrowserError("the browser has ended"))

    def _take(self, data: bytes) -> None:
        message = msgspec.json.decode(data)
        if "id" not in message:
            page = self._pages.get(message.get("sessionId", ""))
            if page is not None:
                page.heard(message["method"], message.get("params", {}))
            return
        answer = self._waiting.get(message["id"])
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(BrowserError(str(message["error"].get("message"))))
        else:
            answer.set_result(message["result"])
