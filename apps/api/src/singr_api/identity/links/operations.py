"""Documentation of the pages that links in messages lead to."""

from typing import Final

from singr_api.routing.operations import Operation, Outcome

_DESCRIPTION: Final = (
    "For people. Reads `token` from its own address by script, and posts it when a button is pressed: opening the page"
    " uses nothing up. Messages lead to `APP_URL_WEB` and `APP_URL_CUSTOMER`; these pages are for where that is this"
    " API itself."
)


def _page(path: str, name: str, summary: str, media_type: str = "text/html", description: str = "") -> Operation:
    return Operation(
        method="GET",
        path=path,
        tag="Pages",
        name=name,
        summary=summary,
        description=description,
        outcomes=(Outcome(200, "The page.", None, media_type),),
    )


OPERATIONS: Final = (
    _page("/verify-email", "verifyEmailPage", "Page: confirm an e-mail address", description=_DESCRIPTION),
    _page("/change-email", "changeEmailPage", "Page: confirm a new e-mail address", description=_DESCRIPTION),
    _page("/undo-email-change", "undoEmailChangePage", "Page: undo a change of address", description=_DESCRIPTION),
    _page("/reset-password", "resetPasswordPage", "Page: choose a new password", description=_DESCRIPTION),
    _page("/auth/magic", "magicLinkPage", "Page: sign in by link", description=_DESCRIPTION),
    _page("/invitation", "invitationPage", "Page: join an organization", description=_DESCRIPTION),
    _page("/links/page.js", "linksScript", "The pages' script", "text/javascript"),
    _page("/links/page.css", "linksStyle", "The pages' style", "text/css"),
)
