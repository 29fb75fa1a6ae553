"""A real browser for tests: headless Chromium, driven over its debugging pipe. Nothing has to be installed for Python.

Commands go to the browser's file descriptor 3 and come back on 4, as JSON that ends in NUL (`--remote-debugging-pipe`,
Chrome DevTools Protocol 1.3). No port is opened.
"""

import itertools
import json
import os
import select
import shutil
import signal
import subprocess  # nosec B404 — starts the browser that the machine has
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_DEADLINE: Final = 30.0
# Puts our ends of the pipes where the browser looks for them, and becomes the browser.
_WITH_PIPES: Final = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # containers' users may make no namespaces; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


class BrowserError(Exception):
    """The browser did not do what it was told, or a page did not become what was waited for."""


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome on this machine; None: there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page. What it logs and what its policy forbids is kept in `complaints`."""

    def __init__(self, browser: "Chromium", session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._do(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Go to an address and wait until everything is loaded."""
        self._do("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page; a promise is awaited.

        Raises:
            BrowserError: it threw.
        """
        answer = self._do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true.

        Raises:
            BrowserError: it never was; says what the page shows instead.
        """
        end = time.monotonic() + _DEADLINE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise BrowserError(f"never came true: {condition}\n{self.text()}\n{self.complaints}")
            time.sleep(0.02)

    def text(self) -> str:
        """Return what a person sees."""
        return str(self.run("document.body.innerText"))

    def type(self, selector: str, text: str) -> None:
        """Put the cursor into a field and type."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._do("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of what the selector finds, as a person would: covered, it is not hit."""
        found = self.run(
            f"(() => {{ const part = document.querySelector({json.dumps(selector)}); part.scrollIntoView();"
            " const box = part.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2, box.width * box.height]; })()"
        )
        if not found[2]:
            raise BrowserError(f"{selector} is not to be seen")
        for kind in ("mousePressed", "mouseReleased"):
            self._do("Input.dispatchMouseEvent", type=kind, x=found[0], y=found[1], button="left", clickCount=1)

    def cookies(self) -> dict[str, dict[str, Any]]:
        """Return every cookie that the browser keeps, by name."""
        return {cookie["name"]: cookie for cookie in self._do("Network.getAllCookies")["cookies"]}

    def close(self) -> None:
        """Close the page."""
        self._do("Page.close")

    def _do(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.command(method, parameters, session=self._session)

    def heard(self, method: str, parameters: dict[str, Any]) -> None:
        """Take in what the browser tells of this page."""
        if method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"])[:500])


class Chromium:
    """A running browser; made by `chromium()`."""

    def __init__(self, process: "subprocess.Popen[bytes]", write: int, read: int) -> None:
        self._process = process
        self._write = write
        self._read = read
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._tabs: dict[str, Tab] = {}

    def tab(self) -> Tab:
        """Open a page in a profile of its own: no cookie of another tab is there."""
        context = self.command("Target.createBrowserContext", {})["browserContextId"]
        target = self.command("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.command("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self._tabs[session] = tab = Tab(self, session)
        return tab

    def command(self, method: str, parameters: dict[str, Any], *, session: str | None = None) -> dict[str, Any]:
        """Send one command and return its result.

        Raises:
            BrowserError: it was refused, or not answered in time.
        """
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _DEADLINE
        while True:
            answer = self._next(end)
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            tab = self._tabs.get(answer.get("sessionId", ""))
            if tab is not None and "method" in answer:
                tab.heard(answer["method"], answer["params"])

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._read, 1 << 16) if ready else b""
            if not part:
                raise BrowserError("the browser does not answer")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def chromium(path: str) -> Iterator[Chromium]:
    """Run the browser at `path`, as `find_chromium` found it, with a profile of its own that is thrown away.

    Raises:
        BrowserError: it does not start.
    """
    commands, write = os.pipe()
    read, answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="singr-chromium-", ignore_cleanup_errors=True) as profile:
        arguments = [path, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(  # noqa: S603 # nosec B603 — a program of this machine, found by its name
            [sys.executable, "-c", _WITH_PIPES, str(commands), str(answers), *arguments],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        browser = Chromium(process, write, read)
        try:
            browser.command("Browser.getVersion", {})
            yield browser
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(write)
            os.close(read)
