"""The addresses that messages lead to (SPEC 5), built from the application's settings."""

from typing import Final, Literal, Protocol
from urllib.parse import quote

__all__ = ["Links", "SiteUrls"]


class SiteUrls(Protocol):
    """What is needed of the settings; `singr_config.AppSettings` fits.

    Both are absolute URLs, with or without a final slash.
    """

    @property
    def url_web(self) -> str:
        """Where singers go (`APP_URL_WEB`)."""

    @property
    def url_customer(self) -> str:
        """Where customers go (`APP_URL_CUSTOMER`)."""


class Links:
    """Builds links. Tokens are percent-encoded, so that one cannot leave its parameter.

    Args:
        sites: the two front ends' addresses.
    """

    __slots__ = ("_customer", "_web")

    def __init__(self, sites: SiteUrls) -> None:
        self._web: Final = sites.url_web.rstrip("/")
        self._customer: Final = sites.url_customer.rstrip("/")

    def verify_email(self, token: str) -> str:
        """Where an e-mail address is confirmed."""
        return f"{self._web}/verify-email?token={quote(token, safe='')}"

    def change_email(self, token: str) -> str:
        """Where a new e-mail address is confirmed, in the session that asked for it."""
        return f"{self._web}/change-email?token={quote(token, safe='')}"

    def undo_email_change(self, token: str) -> str:
        """Where the owner of the address of before takes the account back."""
        return f"{self._web}/undo-email-change?token={quote(token, safe='')}"

    def reset_password(self, token: str) -> str:
        """Where a new password is chosen."""
        return f"{self._web}/reset-password?token={quote(token, safe='')}"

    def magic_link(self, token: str) -> str:
        """Where a sign-in link is used."""
        return f"{self._web}/auth/magic?token={quote(token, safe='')}"

    def invitation(self, token: str) -> str:
        """Where an invitation to an organization is accepted."""
        return f"{self._customer}/invitation?token={quote(token, safe='')}"

    def requests(self) -> str:
        """Where a venue sees its song requests."""
        return f"{self._customer}/requests"

    def account(self) -> str:
        """Where people sign in and look after their account."""
        return self._web

    def dashboard(self, account_type: Literal["customer", "singer"]) -> str:
        """The first page of a new account."""
        return self._customer if account_type == "customer" else self._web
