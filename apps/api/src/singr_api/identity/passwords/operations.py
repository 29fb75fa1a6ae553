"""Documentation of the routes of passwords."""

from typing import Final

from singr_api.http import problems
from singr_api.identity.passwords.schemas import ChangePassword, PasswordSet, Reset
from singr_api.identity.registration.operations import ACCEPTED
from singr_api.identity.registration.schemas import AddressOnly
from singr_api.routing.operations import Example, Operation, Outcome

_TAG: Final = "Passwords"
_SET: Final = Outcome(
    200,
    "In force.",
    PasswordSet,
    examples={"set": Example("Done", {"status": "password_changed"})},
)

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/auth/password/forgot",
        tag=_TAG,
        name="forgotPassword",
        summary="Ask for a new password",
        description="Sends a link to an account's address, which works once, for an hour.",
        body=AddressOnly,
        body_examples={"address": Example("An address", {"email": "ada@example.org"})},
        outcomes=(ACCEPTED,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/password/reset",
        tag=_TAG,
        name="resetPassword",
        summary="Choose a new password by the link",
        description=(
            "Uses the link up, ends all sessions, and lets no device skip the second factor any more. Signs nobody in."
            " A password that is refused (422) leaves the link in force."
        ),
        body=Reset,
        body_examples={
            "reset": Example(
                "The link's token and a password",
                {"token": "spr_6Lm1…", "password": "another long road to the microphone"},
            )
        },
        outcomes=(_SET,),
        problems=(problems.ONE_TIME_TOKEN_REFUSED,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/password/change",
        tag=_TAG,
        name="changePassword",
        summary="Change the password",
        description=(
            "This session stays; all others end, and no device skips the second factor any more. Where a second factor"
            " is on, this session must have proved one."
        ),
        body=ChangePassword,
        body_examples={
            "change": Example(
                "Old and new",
                {
                    "current_password": "a long road to the microphone",
                    "new_password": "another long road to the microphone",
                },
            )
        },
        outcomes=(_SET,),
        problems=(problems.PASSWORD_REFUSED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
    ),
)
