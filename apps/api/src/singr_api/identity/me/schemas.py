"""What people send and get for their own accounts."""

from typing import Literal

import msgspec

from singr_api.http.codes import RuleError
from singr_api.http.fields import EmailAddress, OneTimeToken, PersonsName, SixDigits


class ChangeProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields to change; the e-mail address has a route of its own."""

    name: PersonsName


class ChangeEmail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new address."""

    email: EmailAddress


class ConfirmEmail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that was sent to the new address, or the token from the link beside it."""

    code: SixDigits | None = None
    token: OneTimeToken | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if (self.code is None) == (self.token is None):
            raise RuleError("conflicting_fields", "send either code or token")


class UndoEmailChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the link that was sent to the previous address."""

    token: OneTimeToken


class EmailChanged(msgspec.Struct, frozen=True):
    """The new address is in force."""

    status: Literal["email_changed"] = "email_changed"


class EmailRestored(msgspec.Struct, frozen=True):
    """The account has its previous address again; a link to choose a password was sent there."""

    status: Literal["email_restored"] = "email_restored"
