"""What callers send and get for registration."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_api.http.fields import EmailAddress, FirstPassword, OneTimeToken, PersonsName, SixDigits


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account."""

    account_type: Literal["customer", "singer"]
    email: EmailAddress
    name: PersonsName
    password: FirstPassword


class VerifyEmailAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the link in the mail; or the address, and the code from the same mail."""

    token: OneTimeToken | None = None
    email: EmailAddress | None = None
    code: SixDigits | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        by_code = self.email is not None and self.code is not None
        none_of_code = self.email is None and self.code is None
        if not ((self.token is not None and none_of_code) or (self.token is None and by_code)):
            raise RuleError("conflicting_fields", "send either token, or email and code")


class Verified(msgspec.Struct, frozen=True, omit_defaults=True):
    """The address is verified. Nobody is signed in by this."""

    status: Literal["verified"]
    password_kept: Annotated[
        bool,
        Meta(
            description=(
                "Present, and false, if the address was registered with several passwords before it was verified:"
                " none of them can be trusted, and a link to choose a new one is sent."
            )
        ),
    ] = True
