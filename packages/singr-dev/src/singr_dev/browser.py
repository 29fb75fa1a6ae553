"""A real browser for tests: an installed Chromium, without a window, driven over the Chrome DevTools Protocol.

It is spoken to through a pipe, so it needs no port and no driver, and ends when its caller does.
"""

import asyncio
import contextlib
import fcntl
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from singr_dev._errors import DevError

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL: Final = "no Chromium is installed here (Debian: apt-get install chromium)"
PATIENCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02
# How Chromium refuses to evaluate while one page gives way to the next.
_BETWEEN_PAGES: Final = ("navigated or closed", "default execution context", "context was destroyed")
_LARGEST_MESSAGE: Final = 64 * 1024 * 1024
_FREE_DESCRIPTORS: Final = 10  # above those that the browser expects its pipe at
_ARGUMENTS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-proxy-server",
    "--password-store=basic",
    "--use-mock-keychain",
)


class BrowserError(DevError):
    """The browser did not start, ended, or refused a command."""


class ScriptError(BrowserError):
    """A script that a page was told to run has failed; carries what it threw."""


def find_browser() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


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
    """One browser process with a profile of its own. Belongs to one event loop; make it with `launch`."""

    def __init__(self, pid: int, writer: asyncio.WriteTransport, profile: Path) -> None:
        self._pid = pid
        self._writer = writer
        self._profile = profile
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def launch(cls, program: str | None = None) -> AsyncIterator[Self]:
        """Start a browser, and end it with the block.

        Raises:
            BrowserError: none is installed, or it did not start.
        """
        program = program or find_browser()
        if program is None:
            raise BrowserError(INSTALL)
        with tempfile.TemporaryDirectory(prefix="singr-browser-", ignore_cleanup_errors=True) as folder:
            browser = await cls._start(program, Path(folder))
            try:
                await browser.command("Browser.getVersion")
                yield browser
            finally:
                await browser.close()

    async def page(self) -> Page:
        """Open a tab, in a context of its own: it shares no cookies with others."""
        context = (await self.command("Target.createBrowserContext"))["browserContextId"]
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
        if self._reading is None or self._reading.done():
            raise BrowserError("the browser has ended")
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(msgspec.json.encode(message) + b"\0")
        try:
            return await asyncio.wait_for(answer, PATIENCE_SECONDS)
        except TimeoutError:
            raise BrowserError(f"{method} was not answered within {PATIENCE_SECONDS:.0f} seconds") from None
        finally:
            self._waiting.pop(number, None)

    @classmethod
    async def _start(cls, program: str, profile: Path) -> Self:
        (to_read, to_write), (from_read, from_write) = _pipe(), _pipe()
        try:
            pid = _spawn(program, profile, to_read, from_write)
        finally:
            os.close(to_read)
            os.close(from_write)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LARGEST_MESSAGE)
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(to_write, "wb", buffering=0))
        source, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_read, "rb", buffering=0)
        )
        browser = cls(pid, writer, profile)
        browser._reading = asyncio.create_task(browser._read(reader, source))
        return browser

    async def _read(self, reader: asyncio.StreamReader, source: asyncio.ReadTransport) -> None:
        try:
            while True:
                self._take(msgspec.json.decode((await reader.readuntil(b"\0"))[:-1]))
        except asyncio.IncompleteReadError:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(BrowserError("the browser has ended"))
        finally:
            source.close()

    def _take(self, message: dict[str, Any]) -> None:
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

    async def close(self) -> None:
        """End the browser, whatever it is doing."""
        self._writer.close()  # Chromium ends when its pipe does; the signal is for one that hangs
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, self._pid, 0)
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=PATIENCE_SECONDS)


def _spawn(program: str, profile: Path, to_read: int, from_write: int) -> int:
    arguments = [program, *_ARGUMENTS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # its sandbox refuses root
    return os.posix_spawn(
        program,
        [*arguments, "about:blank"],
        {"HOME": str(profile), "PATH": os.defpath, "LANG": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, to_read, 3),
            (os.POSIX_SPAWN_DUP2, from_write, 4),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,
    )


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above the descriptors that the child's are moved to."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FREE_DESCRIPTORS) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
