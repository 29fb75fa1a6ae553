"""The two scripts that the pages run; nothing else may run there."""

import base64
import hashlib
from typing import Final

# Makes the frame as tall as the mail in it; the mail itself may run nothing, so the page has to look.
FIT: Final = """
const fit = (frame) => {
  const root = frame.contentDocument?.documentElement;
  if (!root) return;
  frame.style.height = "0";
  const bar = root.scrollWidth > root.clientWidth ? 18 : 0;
  frame.style.height = `${root.scrollHeight + bar + 2}px`;
};
const all = () => document.querySelectorAll("iframe").forEach(fit);
document.addEventListener("load", all, true);
addEventListener("load", all);
addEventListener("resize", all);
"""
# Shows what has arrived meanwhile, and leaves the focus on the message that it was on.
FOLLOW: Final = """
const main = document.querySelector("main");
const look = async () => {
  if (document.hidden) return;
  const answer = await fetch("/api/newest", { cache: "no-store" }).catch(() => null);
  if (!answer?.ok || (await answer.text()) === main.dataset.newest) return;
  const page = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (!page?.ok) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html").querySelector("main");
  const focused = main.contains(document.activeElement) && document.activeElement.getAttribute("href");
  main.replaceChildren(...fresh.childNodes);
  main.dataset.newest = fresh.dataset.newest;
  if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
};
setInterval(look, 2000);
document.addEventListener("visibilitychange", look);
"""


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


ALLOWED: Final = f"{_hash(FIT)} {_hash(FOLLOW)}"
"""What a content security policy says of them."""
