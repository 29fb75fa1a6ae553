"""What the documentation of registration shows."""

from typing import Any, Final

CUSTOMER: Final[dict[str, Any]] = {
    "account_type": "customer",
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "password": "a long road to the microphone",
}
VERIFICATION_TOKEN: Final = "sev_5Cf0kZ1mJpWq7sVbX2nHd8Ty4Ra9Gu3Lx6Ev0Qi1Wo5Pk7Mz2"  # noqa: S105 — an example
