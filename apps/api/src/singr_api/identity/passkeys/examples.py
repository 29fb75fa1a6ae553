"""What the documentation of passkeys shows."""

from typing import Any, Final

from singr_api.identity.shared import CHALLENGE

_CREDENTIAL_ID: Final = "Ka1oXmLcW1ZVf3yOw4rkGw"
_CLIENT_DATA: Final = (
    "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiV1l0SVV4dmtPM1V0bmI2bFRDMGdQd2tMNzVuVm9Md1VqTHp1c2tGbVp0TSIsIm9y"
    "aWdpbiI6Imh0dHBzOi8vc2luZ3JrYXJhb2tlLmNvbSJ9"
)
_AUTHENTICATOR_DATA: Final = "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ"
REQUEST: Final[dict[str, Any]] = {
    "public_key": {
        "challenge": "WYtIUxvkO3Utnb6lTC0gPwkL75nVoLwUjLzuskFmZtM",
        "timeout": 300_000,
        "rpId": "singrkaraoke.com",
        "allowCredentials": [],
        "userVerification": "preferred",
    },
    "expires_in": 300,
}
REQUEST_OF_ONE: Final[dict[str, Any]] = {
    **REQUEST,
    "public_key": {
        **REQUEST["public_key"],
        "allowCredentials": [{"id": _CREDENTIAL_ID, "type": "public-key", "transports": ["hybrid", "internal"]}],
    },
}
REQUEST_OF_PRESENCE: Final[dict[str, Any]] = {
    **REQUEST_OF_ONE,
    "public_key": {**REQUEST_OF_ONE["public_key"], "userVerification": "required"},
}
CREATION: Final[dict[str, Any]] = {
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
ASSERTION: Final[dict[str, Any]] = {
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
MADE: Final[dict[str, Any]] = {
    **ASSERTION,
    "response": {
        "clientDataJSON": _CLIENT_DATA,
        "attestationObject": "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViUSZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2NFAAAA",
        "transports": ["hybrid", "internal"],
    },
}
PASSKEY: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-00000000000a",
    "name": "Work laptop",
    "synced": True,
    "aaguid": "fbfc3007-154e-4ecc-8c0b-6e020557d7bd",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": None,
}
CHALLENGED: Final[dict[str, Any]] = {
    "status": "second_factor_required",
    "challenge_token": CHALLENGE,
    "methods": ["totp", "backup_code"],
    "expires_in": 600,
}
