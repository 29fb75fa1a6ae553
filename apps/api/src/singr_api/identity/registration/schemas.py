"""What callers send and get for registration."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_auth import PASSWORD_LENGTH_ALONE, PASSWORD_LENGTH_MOST, PASSWORD_LENGTH_WITH_SECOND_FACTOR
from singr_auth.accounts import EMAIL_PATTERN, NAME_PATTERN

EmailAddress = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=EMAIL_PATTERN,
        description=(
            "In ASCII, international domains in their xn-- form; letters' case and space around it do not matter."
        ),
        examples=["ada@example.org"],
    ),
]
PersonsName = Annotated[
    str,
    Meta(min_length=1, max_length=100, pattern=NAME_PATTERN, description="One line.", examples=["Ada Lovelace"]),
]


def _new_password(least: int, description: str) -> Meta:
    # said to callers, and checked by the policy: it counts characters once they are composed, and tells what is wrong
    rule = {"minLength": least, "maxLength": PASSWORD_LENGTH_MOST}
    return Meta(
        description=f"{description} At most 256 characters, of any kind; none that everybody tries first.",
        examples=["a long road to the microphone"],
        extra_json_schema=rule,
    )


FirstPassword = Annotated[str, _new_password(PASSWORD_LENGTH_ALONE, "At least 15 characters.")]
"""Of an account that has no second factor yet."""
NewPassword = Annotated[
    str,
    _new_password(
        PASSWORD_LENGTH_WITH_SECOND_FACTOR, "At least 15 characters; 8 where a second factor stands behind it."
    ),
]
GivenPassword = Annotated[
    str, Meta(min_length=1, max_length=1024, description="As it is.", examples=["a long road to the microphone"])
]
OneTimeToken = Annotated[
    str,
    Meta(min_length=1, max_length=200, description="What the link carries as `token`.", examples=["sev_8jQ0w…"]),
]
SixDigits = Annotated[
    str,
    Meta(min_length=1, max_length=40, description="Six digits; spaces do not matter.", examples=["042917"]),
]


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account."""

    account_type: Literal["customer", "singer"]
    email: EmailAddress
    name: PersonsName
    password: FirstPassword


class VerifyEmailAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the mail's link; or the address, and the code that stands beside the link."""

    token: OneTimeToken | None = None
    email: EmailAddress | None = None
    code: SixDigits | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        by_code = self.email is not None and self.code is not None
        none_of_code = self.email is None and self.code is None
        if not ((self.token is not None and none_of_code) or (self.token is None and by_code)):
            raise RuleError("conflicting_fields", "send token alone, or email and code")


class AddressOnly(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that may or may not have an account."""

    email: EmailAddress


class Accepted(msgspec.Struct, frozen=True):
    """Taken in. Whoever owns the address learns by mail what came of it."""

    status: Literal["accepted"] = "accepted"


class Verified(msgspec.Struct, frozen=True, omit_defaults=True):
    """The address is its owner's. Nobody is signed in by this."""

    status: Literal["verified"]
    password_kept: Annotated[
        bool,
        Meta(
            description=(
                "There, and false, where the address was registered with several passwords before it was verified:"
                " nobody knows whose the last one is, and a link to choose one is on its way."
            )
        ),
    ] = True
