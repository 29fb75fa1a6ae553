"""What the tests of the pages behind links share: a tab as a person uses it, and who they are."""

import asyncio
from typing import TYPE_CHECKING, Any

from singr_auth.accounts import ClientInfo
from singr_config import Secret

if TYPE_CHECKING:
    from singr_dev.browser import Page

PASSWORD = Secret("a long road to the microphone")
CLIENT = ClientInfo(address="203.0.113.77", user_agent="test")


class Tab:
    """A page, as a person uses it."""

    def __init__(self, page: "Page") -> None:
        self.page = page

    async def open(self, address: str) -> None:
        await self.page.open(address)

    async def load_again(self) -> None:
        """As F5 does, or a phone that has put the tab away meanwhile."""
        self.page._loaded.clear()
        await self.page.command("Page.reload")
        await asyncio.wait_for(self.page._loaded.wait(), 30)

    async def run(self, script: str) -> Any:
        return await self.page.run(script)

    async def until(self, condition: str) -> None:
        await self.page.wait_for(f"Boolean({condition})")

    async def text(self) -> str:
        return str(await self.run("document.body.innerText"))

    async def type(self, selector: str, text: str) -> None:
        await self.run(f"document.querySelector('{selector}').focus()")
        await self.page.command("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Press the mouse in the middle of what the selector finds: covered or hidden, it is not hit."""
        x, y, area = await self.run(
            f"(() => {{ const part = document.querySelector('{selector}'); part.scrollIntoView();"
            " const box = part.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2, box.width * box.height]; })()"
        )
        assert area, f"{selector} is not to be seen"
        for kind in ("mousePressed", "mouseReleased"):
            await self.page.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def cookies(self) -> dict[str, dict[str, Any]]:
        kept = await self.page.command("Network.getAllCookies")
        return {cookie["name"]: cookie for cookie in kept["cookies"]}
