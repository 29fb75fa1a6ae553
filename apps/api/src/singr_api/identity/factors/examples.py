"""What the documentation of second factors, backup codes, devices and phone numbers shows."""

from typing import Any, Final

_SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 — the example of every TOTP page
TOTP: Final[dict[str, Any]] = {
    "secret": _SECRET,
    "provisioning_uri": (
        f"otpauth://totp/Singr:ada%40bluenote.example?secret={_SECRET}&issuer=Singr&algorithm=SHA1&digits=6&period=30"
    ),
    "expires_in": 600,
    "qr_svg": '<svg xmlns="http://www.w3.org/2000/svg" width="294" height="294"></svg>',
}
CODES: Final = [
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
]
DEVICE: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000006",
    "device": "Firefox on Linux",
    "address": "203.0.113.7",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": "2026-11-22T12:14:00Z",
    "expires_at": "2026-12-22T12:14:00Z",
    "trusted_until": "2026-12-22T12:14:00Z",
}
FACTORS: Final[dict[str, Any]] = {
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
