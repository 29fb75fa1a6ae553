"""What the documentation of signing in shows."""

from typing import Any, Final

SIGNED_IN: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": "019ab2c0-7f00-7000-8000-00000000005e",
    "expires_in": 900,
    "refresh_expires_in": 604800,
    "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTlh….c2lnbmF0dXJl…",
    "token_type": "Bearer",
    "refresh_token": "srt_7Hc2…",
    "device_token": "sdv_3Kd9…",
}
IN_COOKIES: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": "019ab2c0-7f00-7000-8000-00000000005e",
    "expires_in": 900,
    "refresh_expires_in": 604800,
    "csrf_token": "1f0c…",
}
CHALLENGED: Final[dict[str, Any]] = {
    "status": "second_factor_required",
    "challenge_token": "sch_9Qw4…",
    "methods": ["totp", "backup_code"],
    "expires_in": 600,
}
BY_PASSWORD: Final = {"email": "ada@example.org", "password": "a long road to the microphone"}
