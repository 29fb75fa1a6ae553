"""Documentation of the routes of registration."""

from typing import Final

from singr_api.http import problems
from singr_api.identity.registration.schemas import Accepted, AddressOnly, Register, Verified, VerifyEmailAddress
from singr_api.routing.operations import Example, Operation, Outcome

ACCEPTED: Final = Outcome(
    202,
    "Taken in, whatever there is under this address: whoever owns it learns by mail.",
    Accepted,
    examples={"accepted": Example("Always this", {"status": "accepted"})},
)
_TOKEN: Final = "sev_5Cf0kZ1mJpWq7sVbX2nHd8Ty4Ra9Gu3Lx6Ev0Qi1Wo5Pk7Mz2"  # noqa: S105 — an example
_TAG: Final = "Registration"

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/auth/register",
        tag=_TAG,
        name="register",
        summary="Register",
        description=(
            "Makes an account that is pending until its address is verified, and sends a link and a six-digit code."
            " New, pending and existing addresses get the same answer: the owner of an existing account is told by mail"
            " that somebody tried. Registering a pending address anew replaces what was registered before; with another"
            " password, nobody knows whose it is, and the owner chooses one by mail once the address is verified."
        ),
        body=Register,
        body_examples={
            "customer": Example(
                "Somebody who runs a venue",
                {
                    "account_type": "customer",
                    "email": "ada@example.org",
                    "name": "Ada Lovelace",
                    "password": "a long road to the microphone",
                },
            ),
        },
        outcomes=(ACCEPTED,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/email/verify",
        tag=_TAG,
        name="verifyEmail",
        summary="Verify an e-mail address",
        description=(
            "By the token of the mail's link, or by the address and the code beside the link. A code may be tried five"
            " times, then a new mail is due. Nobody is signed in by this. A change of address is confirmed elsewhere."
        ),
        body=VerifyEmailAddress,
        body_examples={
            "link": Example("By link", {"token": _TOKEN}),
            "code": Example("By code", {"email": "ada@example.org", "code": "042917"}),
        },
        outcomes=(
            Outcome(
                200,
                "Verified.",
                Verified,
                examples={"verified": Example("Done", {"status": "verified"})},
            ),
        ),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.CODE_REFUSED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path="/v1/auth/email/resend",
        tag=_TAG,
        name="resendVerification",
        summary="Send the verification mail again",
        description="Only where the address has a pending account; the answer is the same in any case.",
        body=AddressOnly,
        body_examples={"address": Example("An address", {"email": "ada@example.org"})},
        outcomes=(ACCEPTED,),
    ),
)
