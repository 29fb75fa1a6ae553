"""Documentation of the routes of signing in."""

from typing import Any, Final

from singr_api.admission.browser import SignInAnswer
from singr_api.http import problems
from singr_api.identity.registration.operations import ACCEPTED
from singr_api.identity.sign_in.schemas import AskForLink, RedeemLink, SignIn
from singr_api.routing.operations import Example, Operation, Outcome

_SIGNED_IN: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": "019ab2c0-7f00-7000-8000-00000000005e",
    "expires_in": 900,
    "refresh_expires_in": 604800,
    "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTlh….c2lnbmF0dXJl…",
    "token_type": "Bearer",
    "refresh_token": "srt_7Hc2…",
    "device_token": "sdv_3Kd9…",
}
_COOKIES: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": "019ab2c0-7f00-7000-8000-00000000005e",
    "expires_in": 900,
    "refresh_expires_in": 604800,
    "csrf_token": "1f0c…",
}
_CHALLENGED: Final[dict[str, Any]] = {
    "status": "second_factor_required",
    "challenge_token": "sch_9Qw4…",
    "methods": ["totp", "backup_code"],
    "expires_in": 600,
}
SIGN_IN_OUTCOME: Final = Outcome(
    200,
    "Signed in; or the first factor was right, and a second one has to follow.",
    SignInAnswer,
    examples={
        "signed_in": Example("Signed in, tokens in the body", _SIGNED_IN),
        "cookies": Example("Signed in, tokens in cookies", _COOKIES),
        "second_factor": Example("A second factor has to follow", _CHALLENGED),
    },
)
_TAG: Final = "Sign-in"

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/auth/sign-in",
        tag=_TAG,
        name="signIn",
        summary="Sign in by password",
        description=(
            "Unknown, disabled and password-less accounts and wrong passwords get one answer, after the same work."
            " Where the password is right but the address is not verified yet (403), another mail is on its way."
        ),
        body=SignIn,
        body_examples={
            "app": Example("An app", {"email": "ada@example.org", "password": "a long road to the microphone"}),
            "browser": Example(
                "A browser, which gets cookies",
                {"email": "ada@example.org", "password": "a long road to the microphone", "delivery": "cookie"},
            ),
        },
        outcomes=(SIGN_IN_OUTCOME,),
        problems=(problems.SIGN_IN_REFUSED, problems.EMAIL_UNVERIFIED),
    ),
    Operation(
        method="POST",
        path="/v1/auth/magic-link",
        tag=_TAG,
        name="askForMagicLink",
        summary="Ask for a link that signs in",
        description="It goes to an account's address, or to its verified phone. It works once, for 15 minutes.",
        body=AskForLink,
        body_examples={
            "email": Example("By e-mail", {"email": "ada@example.org"}),
            "phone": Example("By text message", {"phone": "+15555550100"}),
        },
        outcomes=(ACCEPTED,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/magic-link/redeem",
        tag=_TAG,
        name="redeemMagicLink",
        summary="Sign in by link",
        description=(
            "Uses the link up. A pending account becomes active, since its owner has read a mail of ours; the password"
            " that it was registered with is dropped then, since whoever chose it may have been somebody else. A second"
            " factor has to come by another channel than the link; where there is none, it is the password."
        ),
        body=RedeemLink,
        body_examples={"link": Example("The link's token", {"token": "sml_2Xp8…"})},
        outcomes=(SIGN_IN_OUTCOME,),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.SIGN_IN_REFUSED, problems.NOT_ALLOWED),
    ),
)
