"""What the documentation of sessions shows."""

from typing import Any, Final

from singr_api.identity.shared import CHALLENGE, SIGNED_IN
from singr_api.routing.operations import Example

IN_COOKIES: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": SIGNED_IN["session_id"],
    "expires_in": 900,
    "refresh_expires_in": 604_800,
    "csrf_token": "mZ0Yv0cV2m8l0f3k9Qd1mZ0Yv0cV2m8l0f3k9Qd1abc",
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
_CHALLENGED: Final = {"challenge_token": CHALLENGE}
_CODE: Final = {"method": "totp", "code": "042917"}
_BACKUP_CODE: Final = {"method": "backup_code", "code": "7KQM-2XWB"}
_PASSKEY: Final = {"method": "passkey", "credential": _ASSERTION}
SECOND_STEPS: Final = {
    "totp": Example("A code of an authenticator app", {**_CHALLENGED, **_CODE}),
    "backup_code": Example("A backup code", {**_CHALLENGED, **_BACKUP_CODE}),
    "passkey": Example("A passkey", {**_CHALLENGED, **_PASSKEY}),
    "password": Example(
        "The password, after a link sent over the only other channel",
        {**_CHALLENGED, "method": "password", "password": "a long road to the microphone"},
    ),
}
PROOFS: Final = {
    "password": Example("By password", {"method": "password", "password": "correct horse battery staple 42"}),
    "totp": Example("By authenticator app", _CODE),
    "backup_code": Example("By backup code", _BACKUP_CODE),
    "passkey": Example("By passkey", _PASSKEY),
}
