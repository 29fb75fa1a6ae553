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
# Shows what is new in a part of the page, and leaves the focus on the link that it was on.
FOLLOW: Final = """
const followed = document.querySelector("[data-follow]");
const look = async () => {
  if (document.hidden) return;
  const answer = await fetch(followed.dataset.follow, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok || (await answer.text()) === followed.dataset.seen) return;
  const page = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (!page?.ok) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html").querySelector("[data-follow]");
  const focused = followed.contains(document.activeElement) && document.activeElement.getAttribute("href");
  followed.replaceChildren(...fresh.childNodes);
  followed.dataset.seen = fresh.dataset.seen;
  if (focused) followed.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
};
if (followed) {
  setInterval(look, 2000);
  document.addEventListener("visibilitychange", look);
}
"""


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


ALLOWED: Final = f"{_hash(FIT)} {_hash(FOLLOW)}"
"""What a content security policy says of them."""
