"""How the pages look, and what they and the mails in them may do."""

import time
from html import escape
from typing import Final

from starlette.responses import HTMLResponse, Response

from singr_dev.inbox._scripts import ALLOWED

# the page runs its own scripts and loads nothing from elsewhere
_PAGE_POLICY: Final = (
    f"default-src 'none'; script-src {ALLOWED}; style-src 'unsafe-inline'; frame-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)
# What a mail may do: have its links open in tabs of their own, which are ordinary ones. No script, no form, no way to
# navigate the page around it. `allow-same-origin` lets the page measure it; it is worth nothing to what runs no script.
# The frame's attribute and the policy's directive both apply, and what either withholds is withheld.
MAY: Final = "allow-popups allow-popups-to-escape-sandbox allow-same-origin"
MAIL_POLICY: Final = (
    f"sandbox {MAY}; default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
COMMON: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_STYLE: Final = """
:root { scrollbar-gutter: stable; color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; }
body { padding: 1.5rem clamp(.75rem, 3vw, 1.5rem); }
h1 { font-size: 1.25rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere; }
a { color: inherit; text-decoration: none; } a:hover, p a, pre a { text-decoration: underline; }
:focus-visible { outline: 3px solid light-dark(#1a56db, #8ab4ff); outline-offset: 2px; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
header a { text-decoration: underline; }
nav { display: flex; flex-wrap: wrap; gap: .25rem; margin: 0 0 1rem; }
nav a { padding: .25rem .7rem; border: 1px solid var(--line); border-radius: 1rem; }
nav a[aria-current] { background: CanvasText; border-color: CanvasText; color: Canvas; }
ol { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
li a { display: grid; gap: .1rem 1rem; padding: .6rem .25rem; }
li a { grid-template-columns: 8.5rem 3.5rem minmax(0, 3fr) minmax(0, 5fr); }
li { border-bottom: 1px solid var(--line); }
li span, li strong, dd, p { overflow-wrap: anywhere; min-width: 0; }
time, dt, .quiet, li .channel { color: color-mix(in srgb, currentColor 72%, transparent); }
dl { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: .15rem 1rem; margin: 0 0 1rem; }
dd { margin: 0; }
iframe { display: block; width: 100%; height: 34rem; margin: 0 0 1.5rem; background: #fff padding-box; }
iframe, pre { border: 1px solid var(--line); border-radius: .5rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem; padding: 1rem; }
button, select { font: inherit; color: inherit; }
button { padding: .3rem .8rem; border: 1px solid var(--line); border-radius: .5rem; cursor: pointer; }
button { background: color-mix(in srgb, currentColor 7%, transparent); min-width: 10rem; }
button:hover { background: color-mix(in srgb, currentColor 14%, transparent); }
select { padding: .2rem; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
ul.events { list-style: none; margin: 0; padding: 0; }
ul.events li { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; padding: .4rem 0; }
ul.told { margin: 0 0 .5rem; padding-left: 1.25rem; }
ul.told li { border: 0; }
body:has(.shots) { max-width: 76rem; }
.shots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 0 0 1rem; }
figure { margin: 0; max-width: 100%; overflow-x: auto; }
figcaption { font-size: .85rem; padding: 0 0 .25rem; }
figure iframe { height: 20rem; margin: 0; box-sizing: content-box; }
ol.kinds a { grid-template-columns: 12rem 8rem minmax(0, 1fr); }
details { margin: 1.5rem 0 0; }
summary { cursor: pointer; }
dl.magic { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); margin-top: .75rem; }
@media (max-width: 40rem) {
  ul.events span { flex-basis: 100%; }
  li a { grid-template-columns: minmax(0, 1fr) auto; }
  ol.kinds a { grid-template-columns: minmax(0, 1fr); }
  li strong { order: -1; grid-column: 1 / -1; }
  li .to { order: -1; grid-column: 1 / -1; }
}
"""


def page(title: str, body: str, status: int = 200) -> Response:
    """A page of the inbox; `body` is HTML."""
    document = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>{body}</html>'
    )
    return HTMLResponse(
        document, status, {"Content-Security-Policy": _PAGE_POLICY, "X-Frame-Options": "DENY", **COMMON}
    )


def moment(at: float) -> str:
    """A time, for people."""
    return time.strftime("%d %b %H:%M:%S", time.localtime(at))


def facts(found: dict[str, str]) -> str:
    """Names and values as a list; what is empty is left out."""
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in found.items() if value)
    return f"<dl>{listed}</dl>"
