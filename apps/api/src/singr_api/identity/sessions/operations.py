"""Documentation of the routes of sessions."""

from typing import Any, Final

from singr_api.admission.browser import SignedInAnswer
from singr_api.http import problems
from singr_api.identity.sessions.schemas import (
    CodeSent,
    ReauthenticateBody,
    Reauthenticated,
    RefreshBody,
    SecondFactorBody,
    SendCodeBody,
    SessionList,
    SignedOutEverywhere,
    SignOutBody,
    SignOutQuery,
)
from singr_api.routing.operations import Example, Operation, Outcome

_CHALLENGE: Final = "sch_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
_REFRESH: Final = "srt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
_SESSION: Final = "019ab2c0-7f00-7000-8000-000000000005"
_SIGNED_IN: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": _SESSION,
    "expires_in": 900,
    "refresh_expires_in": 604_800,
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "refresh_token": _REFRESH,
}
_IN_COOKIES: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": _SESSION,
    "expires_in": 900,
    "refresh_expires_in": 604_800,
    "csrf_token": "mZ0Yv0cV2m8l0f3k9Qd1mZ0Yv0cV2m8l0f3k9Qd1abc",
}
_ONE_SESSION: Final[dict[str, Any]] = {
    "id": _SESSION,
    "current": True,
    "device": "Firefox on Linux",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "address": "203.0.113.7",
    "methods": ["pwd", "otp", "mfa"],
    "authenticated_at": "2026-11-22T12:00:00Z",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": "2026-11-22T12:14:00Z",
    "expires_at": "2026-11-29T12:14:00Z",
}
_ASSERTION: Final[dict[str, Any]] = {
    "id": "Ka1oXmLcW1ZVf3yOw4rkGw",
    "rawId": "Ka1oXmLcW1ZVf3yOw4rkGw",
    "type": "public-key",
    "response": {
        "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
        "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ",
        "signature": "MEUCIQDHtDL2qmKeIiUHFcCkSIbdAQNU8J8H8dJgHu1BeSs1ngIgWuyJ0pkuZ8H8xyrpzGaQ1JcQbk4aSrKYTLWeYhSfDCk",
        "userHandle": "AZIAAAAAcACAAAAAAAAAAQ",
    },
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/auth/refresh",
        tag="Sign-in",
        name="refreshSession",
        summary="Exchange a refresh token for the next tokens",
        description=(
            "A refresh token is good once. Sent again within a short grace (30 s, unless set otherwise), the same"
            " successor is answered, so that two tabs and a lost answer sign nobody out. Sent again later, it ends the"
            " whole session, and its owner is told: somebody else may have it. To a browser that asks for cookies and"
            " sends none, the session has ended."
        ),
        body=RefreshBody,
        body_examples={
            "token": Example("With a token", {"refresh_token": _REFRESH}),
            "cookie": Example("A browser, which sends it as a cookie", {"delivery": "cookie"}),
        },
        outcomes=(
            Outcome(
                200,
                "The next access token and the next refresh token.",
                SignedInAnswer,
                examples={
                    "body": Example("Tokens in the body", _SIGNED_IN),
                    "cookie": Example("Tokens in cookies", _IN_COOKIES),
                },
            ),
        ),
        problems=(problems.SESSION_ENDED, problems.REFRESH_TOKEN_REUSED, problems.UNAVAILABLE),
    ),
    Operation(
        method="POST",
        path="/v1/auth/sign-out",
        tag="Sign-in",
        name="signOut",
        summary="End the session that asks",
        description=(
            "The session of the access token, in the header `authorization` or the cookie; where there is none in"
            " force, that of the refresh token, in the body or the cookie, used or not. Its refresh tokens open nothing"
            " any more; its access tokens are refused within a second. Cookies are cleared, and the answer is the same,"
            " whether or not there was a session to end."
        ),
        body=SignOutBody,
        body_examples={
            "token": Example("An app whose access token has expired", {"refresh_token": _REFRESH}),
            "cookie": Example("A browser, or an app with an access token in force", {}),
        },
        outcomes=(Outcome(204, "Signed out; cookies are cleared."),),
        problems=(problems.UNAVAILABLE,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/sign-out-everywhere",
        tag="Sign-in",
        name="signOutEverywhere",
        summary="End all of one's sessions",
        description=(
            "No device skips the second factor any more. To keep this session asks that it has proved the second factor"
            " that is on; to end all of them asks for nothing."
        ),
        query=SignOutQuery,
        outcomes=(
            Outcome(
                200,
                "They have ended.",
                SignedOutEverywhere,
                examples={"three": Example("Three sessions", {"ended": 3})},
            ),
        ),
        problems=(problems.REAUTHENTICATION_REQUIRED, problems.UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/v1/auth/sessions",
        tag="Sign-in",
        name="listSessions",
        summary="List one's sessions",
        outcomes=(
            Outcome(
                200,
                "The living ones, the one used last first.",
                SessionList,
                examples={"one": Example("This one", {"items": [_ONE_SESSION]})},
            ),
        ),
        problems=(problems.UNAVAILABLE,),
    ),
    Operation(
        method="DELETE",
        path="/v1/auth/sessions/{session_id}",
        tag="Sign-in",
        name="endSession",
        summary="End one of one's sessions",
        outcomes=(Outcome(204, "It has ended."),),
        problems=(problems.REAUTHENTICATION_REQUIRED, problems.UNAVAILABLE),
    ),
    Operation(
        method="POST",
        path="/v1/auth/second-factor/send",
        tag="Sign-in",
        name="sendSecondFactorCode",
        summary="Have a code sent for the second step",
        description="Five messages an hour for each person. A new code takes the place of an earlier one.",
        body=SendCodeBody,
        body_examples={"sms": Example("As a text message", {"challenge_token": _CHALLENGE, "method": "sms"})},
        outcomes=(
            Outcome(202, "It is on its way.", CodeSent, examples={"sent": Example("Sent", {"expires_in": 300})}),
        ),
        problems=(
            problems.ONE_TIME_TOKEN_REFUSED,
            problems.NOT_ALLOWED,
            problems.GUARD_UNAVAILABLE,
            problems.UNAVAILABLE,
        ),
    ),
    Operation(
        method="POST",
        path="/v1/auth/second-factor/verify",
        tag="Sign-in",
        name="proveSecondFactor",
        summary="Take the second step of a sign-in",
        description=(
            "Five tries for each sign-in, ten in a quarter of an hour for each person; each is counted before anything"
            " is compared. With `remember_device`, this device needs no second factor from now on."
        ),
        body=SecondFactorBody,
        body_examples={
            "totp": Example(
                "A code of an authenticator app", {"challenge_token": _CHALLENGE, "method": "totp", "code": "042917"}
            ),
            "backup_code": Example(
                "A backup code", {"challenge_token": _CHALLENGE, "method": "backup_code", "code": "7KQM-2XWB"}
            ),
            "passkey": Example(
                "A passkey", {"challenge_token": _CHALLENGE, "method": "passkey", "credential": _ASSERTION}
            ),
            "password": Example(
                "The password, after a link that came by the only other channel",
                {"challenge_token": _CHALLENGE, "method": "password", "password": "a long road to the microphone"},
            ),
        },
        outcomes=(
            Outcome(
                200,
                "Signed in.",
                SignedInAnswer,
                examples={
                    "body": Example("Tokens in the body", _SIGNED_IN),
                    "cookie": Example("Tokens in cookies", _IN_COOKIES),
                    "backup_code": Example("By backup code", {**_SIGNED_IN, "backup_codes_left": 9}),
                },
            ),
        ),
        problems=(
            problems.ONE_TIME_TOKEN_REFUSED,
            problems.CODE_REFUSED,
            problems.PASSKEY_REFUSED,
            problems.SIGN_IN_REFUSED,
            problems.NOT_ALLOWED,
            problems.GUARD_UNAVAILABLE,
            problems.UNAVAILABLE,
        ),
    ),
    Operation(
        method="POST",
        path="/v1/auth/reauthenticate",
        tag="Sign-in",
        name="reauthenticate",
        summary="Prove presence anew",
        description=(
            "What changes how an account is opened wants a proof of presence of the last 15 minutes: a sign-in, or"
            " this. The tokens stay as they are."
        ),
        body=ReauthenticateBody,
        body_examples={
            "password": Example("By password", {"method": "password", "password": "correct horse battery staple 42"}),
            "totp": Example("By authenticator app", {"method": "totp", "code": "042917"}),
            "backup_code": Example("By backup code", {"method": "backup_code", "code": "7KQM-2XWB"}),
            "passkey": Example("By passkey", {"method": "passkey", "credential": _ASSERTION}),
        },
        outcomes=(
            Outcome(
                200,
                "Changes are admitted for a while.",
                Reauthenticated,
                examples={"proved": Example("Proved", {"authenticated_at": "2026-11-22T12:20:00Z", "expires_in": 900})},
            ),
        ),
        problems=(
            problems.PASSWORD_REFUSED,
            problems.CODE_REFUSED,
            problems.PASSKEY_REFUSED,
            problems.ONE_TIME_TOKEN_REFUSED,
            problems.SESSION_ENDED,
            problems.GUARD_UNAVAILABLE,
            problems.UNAVAILABLE,
        ),
    ),
)
