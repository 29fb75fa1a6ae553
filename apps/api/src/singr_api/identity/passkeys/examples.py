"""Documentation of the routes of passkeys."""

from typing import Any, Final

from singr_api.admission.browser import SignInAnswer
from singr_api.http import problems
from singr_api.identity.passkeys.schemas import (
    AddPasskeyBody,
    CreationOptionsAnswer,
    PasskeyList,
    PasskeySignInBody,
    RenamePasskeyBody,
    RequestOptionsAnswer,
    SecondFactorOptionsBody,
)
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts import Passkey

_CREDENTIAL_ID: Final = "Ka1oXmLcW1ZVf3yOw4rkGw"
_CLIENT_DATA: Final = (
    "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiV1l0SVV4dmtPM1V0bmI2bFRDMGdQd2tMNzVuVm9Md1VqTHp1c2tGbVp0TSIsIm9y"
    "aWdpbiI6Imh0dHBzOi8vc2luZ3JrYXJhb2tlLmNvbSJ9"
)
_AUTHENTICATOR_DATA: Final = "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ"
_REQUEST: Final[dict[str, Any]] = {
    "public_key": {
        "challenge": "WYtIUxvkO3Utnb6lTC0gPwkL75nVoLwUjLzuskFmZtM",
        "timeout": 300_000,
        "rpId": "singrkaraoke.com",
        "allowCredentials": [],
        "userVerification": "preferred",
    },
    "expires_in": 300,
}
_REQUEST_OF_ONE: Final[dict[str, Any]] = {
    **_REQUEST,
    "public_key": {
        **_REQUEST["public_key"],
        "allowCredentials": [{"id": _CREDENTIAL_ID, "type": "public-key", "transports": ["hybrid", "internal"]}],
    },
}
_CREATION: Final[dict[str, Any]] = {
    "public_key": {
        "rp": {"name": "Singr", "id": "singrkaraoke.com"},
        "user": {"id": "AZIAAAAAcACAAAAAAAAAAQ", "name": "ada@bluenote.example", "displayName": "Ada Lovelace"},
        "challenge": "WYtIUxvkO3Utnb6lTC0gPwkL75nVoLwUjLzuskFmZtM",
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-8, -7, -257)],
        "timeout": 300_000,
        "excludeCredentials": [],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
    },
    "expires_in": 300,
}
_ASSERTION: Final[dict[str, Any]] = {
    "id": _CREDENTIAL_ID,
    "rawId": _CREDENTIAL_ID,
    "type": "public-key",
    "response": {
        "clientDataJSON": _CLIENT_DATA,
        "authenticatorData": _AUTHENTICATOR_DATA,
        "signature": "MEUCIQDHtDL2qmKeIiUHFcCkSIbdAQNU8J8H8dJgHu1BeSs1ngIgWuyJ0pkuZ8H8xyrpzGbk4aSrKYTLWeYhSfDCk",
        "userHandle": "AZIAAAAAcACAAAAAAAAAAQ",
    },
}
_MADE: Final[dict[str, Any]] = {
    "id": _CREDENTIAL_ID,
    "rawId": _CREDENTIAL_ID,
    "type": "public-key",
    "response": {
        "clientDataJSON": _CLIENT_DATA,
        "attestationObject": "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViUSZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2NFAAAA",
        "transports": ["hybrid", "internal"],
    },
}
_PASSKEY: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-00000000000a",
    "name": "Work laptop",
    "synced": True,
    "aaguid": "fbfc3007-154e-4ecc-8c0b-6e020557d7bd",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": None,
}
_SIGNED_IN: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": "019ab2c0-7f00-7000-8000-000000000005",
    "expires_in": 900,
    "refresh_expires_in": 604_800,
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "refresh_token": "srt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM",
}
_CHALLENGED: Final[dict[str, Any]] = {
    "status": "second_factor_required",
    "challenge_token": "sch_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM",
    "methods": ["totp", "backup_code"],
    "expires_in": 600,
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/auth/passkeys/options",
        tag="Sign-in",
        name="beginPasskeySignIn",
        summary="Begin to sign in with a passkey",
        description=(
            "Nobody is named: the authenticator shows which of its passkeys fit. The options are good for one answer."
        ),
        outcomes=(
            Outcome(200, "The options.", RequestOptionsAnswer, examples={"anybody": Example("For anybody", _REQUEST)}),
        ),
        problems=(problems.UNAVAILABLE,),
    ),
    Operation(
        method="POST",
        path="/v1/auth/passkeys/sign-in",
        tag="Sign-in",
        name="signInWithPasskey",
        summary="Sign in with a passkey",
        description=(
            "A passkey that verified its user (by PIN, fingerprint or face) counts as both factors. One that did not"
            " is a first factor: a second one follows where the account has one."
        ),
        body=PasskeySignInBody,
        body_examples={"proof": Example("What toJSON() gives", {"credential": _ASSERTION, "delivery": "body"})},
        outcomes=(
            Outcome(
                200,
                "Signed in, or one step left.",
                SignInAnswer,
                examples={
                    "signed_in": Example("Signed in", _SIGNED_IN),
                    "second_factor": Example("The second factor follows", _CHALLENGED),
                },
            ),
        ),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.SIGN_IN_REFUSED, problems.UNAVAILABLE),
    ),
    Operation(
        method="POST",
        path="/v1/auth/second-factor/passkey",
        tag="Sign-in",
        name="beginPasskeySecondFactor",
        summary="Begin to prove a passkey as second factor",
        description=(
            "Send what the browser answers to `POST /v1/auth/second-factor/verify`, with `method: passkey`. The options"
            " belong to this sign-in, and end with it."
        ),
        body=SecondFactorOptionsBody,
        body_examples={
            "challenge": Example("After the first factor", {"challenge_token": _CHALLENGED["challenge_token"]})
        },
        outcomes=(
            Outcome(
                200,
                "The options, with the passkeys of whoever is signing in.",
                RequestOptionsAnswer,
                examples={"own": Example("One passkey", _REQUEST_OF_ONE)},
            ),
        ),
        problems=(problems.ONE_TIME_TOKEN_REFUSED, problems.NOT_ALLOWED, problems.UNAVAILABLE),
    ),
    Operation(
        method="POST",
        path="/v1/auth/reauthenticate/passkey",
        tag="Sign-in",
        name="beginPasskeyReauthentication",
        summary="Begin to prove presence by a passkey",
        description=(
            "Send what the browser answers to `POST /v1/auth/reauthenticate`, with `method: passkey`. The passkey has"
            " to verify its user. The options are good for one answer."
        ),
        outcomes=(
            Outcome(
                200,
                "The options, with one's own passkeys.",
                RequestOptionsAnswer,
                examples={
                    "own": Example(
                        "One passkey",
                        {
                            **_REQUEST_OF_ONE,
                            "public_key": {**_REQUEST_OF_ONE["public_key"], "userVerification": "required"},
                        },
                    )
                },
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/v1/me/passkeys",
        tag="Me",
        name="listMyPasskeys",
        summary="List one's passkeys",
        outcomes=(
            Outcome(200, "All of them.", PasskeyList, examples={"one": Example("One passkey", {"items": [_PASSKEY]})}),
        ),
    ),
    Operation(
        method="POST",
        path="/v1/me/passkeys/options",
        tag="Me",
        name="beginPasskey",
        summary="Begin to add a passkey",
        description="Wants a proof of presence of the last 15 minutes. The options are good for one answer.",
        outcomes=(
            Outcome(200, "The options.", CreationOptionsAnswer, examples={"first": Example("The first", _CREATION)}),
        ),
        problems=(problems.REAUTHENTICATION_REQUIRED, problems.SESSION_ENDED, problems.CONFLICT),
    ),
    Operation(
        method="POST",
        path="/v1/me/passkeys",
        tag="Me",
        name="addPasskey",
        summary="Add a passkey",
        description="Wants a proof of presence of the last 15 minutes. Its owner is told by mail.",
        body=AddPasskeyBody,
        body_examples={"made": Example("What toJSON() gives", {"credential": _MADE, "name": "Work laptop"})},
        outcomes=(
            Outcome(201, "The passkey.", Passkey, examples={"passkey": Example("A synchronised one", _PASSKEY)}),
        ),
        problems=(
            problems.ONE_TIME_TOKEN_REFUSED,
            problems.REAUTHENTICATION_REQUIRED,
            problems.SESSION_ENDED,
            problems.CONFLICT,
        ),
    ),
    Operation(
        method="PATCH",
        path="/v1/me/passkeys/{passkey_id}",
        tag="Me",
        name="renamePasskey",
        summary="Rename a passkey",
        body=RenamePasskeyBody,
        body_examples={"name": Example("Another name", {"name": "Old laptop"})},
        outcomes=(
            Outcome(
                200,
                "The passkey.",
                Passkey,
                examples={"passkey": Example("Renamed", {**_PASSKEY, "name": "Old laptop"})},
            ),
        ),
    ),
    Operation(
        method="DELETE",
        path="/v1/me/passkeys/{passkey_id}",
        tag="Me",
        name="removePasskey",
        summary="Remove a passkey",
        description="Wants a proof of presence of the last 15 minutes. Its owner is told by mail.",
        outcomes=(Outcome(204, "Removed.", None),),
        problems=(problems.REAUTHENTICATION_REQUIRED, problems.SESSION_ENDED),
    ),
)
