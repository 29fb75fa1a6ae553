"""Documentation of the routes of second factors, backup codes, devices and phone numbers."""

from typing import Any, Final, get_args

from singr_api.http import problems
from singr_api.identity.factors.schemas import (
    CodeBody,
    DeviceList,
    EnrolmentQuery,
    FactorAdded,
    FactorsReset,
    NewBackupCodes,
    PhoneBody,
    TotpSecret,
    VerifiedPhone,
)
from singr_api.identity.sessions.schemas import CodeSent
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts import FactorList, SentMethod

_SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 — the example of every TOTP page
_URI: Final = (
    f"otpauth://totp/Singr:ada%40bluenote.example?secret={_SECRET}&issuer=Singr&algorithm=SHA1&digits=6&period=30"
)
_CODES: Final = (
    "7KQM2XWB",
    "9DHT4RZC",
    "Q3YG8NPA",
    "W6FB5JKE",
    "2MXC7SWT",
    "H8RD3ZQN",
    "K5TW9GYB",
    "4PAJ6MEX",
    "C7NS2FHQ",
    "Z9GB8KDR",
)
_METHODS: Final = {"method": {"type": "string", "enum": list(get_args(SentMethod))}}
_FRESH: Final = "Wants a proof of presence of the last 15 minutes. Its owner is told by mail."
_DEVICE: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000006",
    "device": "Firefox on Linux",
    "address": "203.0.113.7",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": "2026-11-22T12:14:00Z",
    "expires_at": "2026-12-22T12:14:00Z",
    "trusted_until": "2026-12-22T12:14:00Z",
}
_FACTOR_LIST: Final[dict[str, Any]] = {
    "items": [
        {
            "method": "totp",
            "created_at": "2026-11-22T12:00:00Z",
            "last_used_at": "2026-11-22T12:14:00Z",
            "target": None,
        },
        {"method": "sms", "created_at": "2026-11-22T12:01:00Z", "last_used_at": None, "target": "+1******0100"},
    ],
    "backup_codes_left": 9,
}
_CHANGE: Final = (problems.REAUTHENTICATION_REQUIRED, problems.SESSION_ENDED, problems.UNAVAILABLE)
_TRIES: Final = (problems.CODE_REFUSED, problems.GUARD_UNAVAILABLE)

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/me/second-factors",
        tag="Me",
        name="listMySecondFactors",
        summary="List one's second factors",
        description="While there is one, neither a password nor a link signs in alone.",
        outcomes=(
            Outcome(
                200,
                "The factors in force, and how many backup codes are left.",
                FactorList,
                examples={"two": Example("Two factors", _FACTOR_LIST)},
            ),
        ),
        problems=(problems.UNAVAILABLE,),
    ),
    Operation(
        method="POST",
        path="/v1/me/second-factors/totp",
        tag="Me",
        name="beginTotp",
        summary="Begin to add an authenticator app",
        description=(
            "The secret is shown once, and is in force once a code of it was confirmed. Drawing another replaces one"
            " that waits; an app in force stays so until its replacement is confirmed."
            " Wants a proof of presence of the last 15 minutes."
        ),
        query=EnrolmentQuery,
        outcomes=(
            Outcome(
                200,
                "The secret.",
                TotpSecret,
                examples={
                    "svg": Example(
                        "With an SVG",
                        {
                            "secret": _SECRET,
                            "provisioning_uri": _URI,
                            "expires_in": 600,
                            "qr_svg": '<svg xmlns="http://www.w3.org/2000/svg" width="294" height="294"></svg>',
                        },
                    )
                },
            ),
        ),
        problems=_CHANGE,
    ),
    Operation(
        method="POST",
        path="/v1/me/second-factors/totp/confirm",
        tag="Me",
        name="confirmTotp",
        summary="Put an authenticator app in force",
        description=f"With the first second factor, ten backup codes are given. {_FRESH}",
        body=CodeBody,
        body_examples={"code": Example("What the app shows", {"code": "042 917"})},
        outcomes=(
            Outcome(
                200,
                "In force.",
                FactorAdded,
                examples={
                    "first": Example("The first factor", {"method": "totp", "backup_codes": list(_CODES)}),
                    "further": Example("A further one", {"method": "totp", "backup_codes": []}),
                },
            ),
        ),
        problems=(*_TRIES, *_CHANGE),
    ),
    Operation(
        method="DELETE",
        path="/v1/me/second-factors/totp",
        tag="Me",
        name="removeTotp",
        summary="Remove the authenticator app",
        description=f"With the last second factor, the backup codes go too. {_FRESH}",
        outcomes=(Outcome(204, "Removed."),),
        problems=(problems.NOT_FOUND, *_CHANGE),
    ),
    Operation(
        method="POST",
        path="/v1/me/second-factors/{method}",
        tag="Me",
        name="addSecondFactor",
        summary="Add codes that are sent",
        description=(
            "Codes go to the verified e-mail address, or to the verified phone number; with `verify`, a verification"
            f" service sends them. With the first second factor, ten backup codes are given. {_FRESH}"
        ),
        path_schemas=_METHODS,
        outcomes=(
            Outcome(
                201,
                "In force.",
                FactorAdded,
                examples={"first": Example("The first factor", {"method": "sms", "backup_codes": list(_CODES)})},
            ),
        ),
        problems=(problems.NOT_ALLOWED, problems.CONFLICT, *_CHANGE),
    ),
    Operation(
        method="DELETE",
        path="/v1/me/second-factors/{method}",
        tag="Me",
        name="removeSecondFactor",
        summary="Remove codes that are sent",
        description=f"With the last second factor, the backup codes go too. {_FRESH}",
        path_schemas=_METHODS,
        outcomes=(Outcome(204, "Removed."),),
        problems=_CHANGE,
    ),
    Operation(
        method="POST",
        path="/v1/me/backup-codes",
        tag="Me",
        name="replaceBackupCodes",
        summary="Replace one's backup codes",
        description=f"They stand in for a second factor that is lost. {_FRESH}",
        outcomes=(
            Outcome(
                201,
                "Ten codes, shown once.",
                NewBackupCodes,
                examples={"codes": Example("Ten codes", {"backup_codes": list(_CODES)})},
            ),
        ),
        problems=(problems.CONFLICT, *_CHANGE),
    ),
    Operation(
        method="GET",
        path="/v1/me/devices",
        tag="Me",
        name="listMyDevices",
        summary="List one's devices",
        outcomes=(
            Outcome(
                200,
                "Browsers and apps that signed in.",
                DeviceList,
                examples={"one": Example("A trusted one", {"items": [_DEVICE]})},
            ),
        ),
        problems=(problems.UNAVAILABLE,),
    ),
    Operation(
        method="DELETE",
        path="/v1/me/devices/{device_id}",
        tag="Me",
        name="removeDevice",
        summary="Forget a device",
        description="It needs a second factor again. Its sessions are ended apart from this.",
        outcomes=(Outcome(204, "Forgotten."),),
        problems=(problems.REAUTHENTICATION_REQUIRED, problems.UNAVAILABLE),
    ),
    Operation(
        method="PUT",
        path="/v1/me/phone",
        tag="Me",
        name="changePhone",
        summary="Add or change one's phone number",
        description=(
            "Sends a code to it; the number of before stays in force until the new one is verified. Five messages an"
            " hour for each person and for each number. Wants a proof of presence of the last 15 minutes."
        ),
        body=PhoneBody,
        body_examples={"phone": Example("A number", {"phone": "+15555550100"})},
        outcomes=(
            Outcome(202, "A code is on its way.", CodeSent, examples={"sent": Example("Sent", {"expires_in": 300})}),
        ),
        problems=(problems.GUARD_UNAVAILABLE, *_CHANGE),
    ),
    Operation(
        method="POST",
        path="/v1/me/phone/verify",
        tag="Me",
        name="verifyPhone",
        summary="Verify one's phone number",
        body=CodeBody,
        body_examples={"code": Example("What was sent", {"code": "042917"})},
        outcomes=(
            Outcome(
                200,
                "The number is its owner's.",
                VerifiedPhone,
                examples={"phone": Example("Masked", {"phone": "+1******0100"})},
            ),
        ),
        problems=(*_TRIES, problems.NOT_ALLOWED, problems.CONFLICT, problems.UNAVAILABLE),
    ),
    Operation(
        method="DELETE",
        path="/v1/me/phone",
        tag="Me",
        name="removePhone",
        summary="Remove one's phone number",
        description=_FRESH,
        outcomes=(Outcome(204, "Removed."),),
        problems=(problems.NOT_FOUND, problems.CONFLICT, *_CHANGE),
    ),
    Operation(
        method="POST",
        path="/v1/users/{user_id}/reset-second-factors",
        tag="Users",
        name="resetSecondFactors",
        summary="Take away the second factors of somebody who lost them",
        description=(
            "For administrators who made sure, by other means, who asks. Second factors and backup codes go, and all"
            " sessions end. Its owner is told by mail, and the audit trail says who did it."
        ),
        outcomes=(
            Outcome(
                200,
                "What was taken away.",
                FactorsReset,
                examples={"totp": Example("An authenticator app", {"removed": ["totp"]})},
            ),
        ),
        problems=(problems.ORGANIZATION_FORBIDDEN, problems.UNAVAILABLE),
    ),
)
