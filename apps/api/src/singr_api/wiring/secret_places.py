"""Where addresses hold secrets, so that no log, trace or answer repeats one, however wrong the address was written."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from singr_api.routing.route import Route
from singr_comms.inbound import inbound_types, secret_paths
from singr_observability import hide_behind

# A token stands behind `?token=`, if nobody changed the link; behind a slash it is a token too.
_LINKS: Final = (
    "/unsubscribe/",
    "/verify-email/",
    "/change-email/",
    "/undo-email-change/",
    "/reset-password/",
    "/auth/magic/",
    "/invitation/",
)


def hide_secret_places(routes: Sequence[Route]) -> None:
    """Hide what follows them, but for words of our own routes: before the first request, and its line in the log."""
    _hide(tuple(route.policy.path for route in routes))


@cache
def _hide(templates: Sequence[str]) -> None:
    known = {segment for path in templates for segment in path.split("/") if not segment.startswith("{")}
    for name, provider in inbound_types().items():
        known |= {name, *provider.parts} - {"*"}
    for beginning in (*secret_paths(), *_LINKS):
        hide_behind(beginning, known=known)
