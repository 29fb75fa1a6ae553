"""Signatures as Standard Webhooks 1.0.0 has them (https://www.standardwebhooks.com), by either names of headers."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from singr_comms.inbound._callback import ForgedError, Secrets, any_same, check_time

_PREFIX: Final = "whsec_"
_NAMES: Final = ("svix", "webhook")


def prove_standard(headers: Mapping[str, str], body: bytes, secrets: Secrets, *, now: float) -> None:
    """Return where one of the secrets signed id, time and body, and the time is near.

    Raises:
        ForgedError: else.
    """
    keys = [key for secret in secrets.each() if (key := _key(secret)) is not None]
    if not keys:
        raise ForgedError("closed", "the secret that is set here is none of theirs: whsec_ and base64")
    name = next((name for name in _NAMES if f"{name}-id" in headers), _NAMES[0])
    found = [headers.get(f"{name}-{field}", "") for field in ("id", "timestamp", "signature")]
    if not all(found):
        raise ForgedError("missing", "svix-id, svix-timestamp and svix-signature are required")
    event, stamp, signature = found
    check_time(stamp, now)
    signed = f"{event}.{int(stamp)}.".encode("latin-1", "replace") + body
    wanted = [base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    given = [one.partition(",")[2].rstrip("=") for one in signature.split(" ") if one.startswith("v1,")]
    if not any_same(given, [one.rstrip(b"=") for one in wanted]):
        raise ForgedError("mismatch", "no signature fits a secret that is set here")


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes | None:
    """The key that a secret writes down; None where it writes none, as a former one may that was mistyped."""
    text = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None
