"""Signed requests: HMAC-SHA256 (RFC 2104, FIPS 198-1) over what a request says.

The string to sign is five lines joined by LF, without one at the end::

    POST
    /v1/jobs?dry_run=true
    1795357200
    pZ3q0m7fF1y2Yx9cQe8b5A
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

that is: method in capitals; path with query exactly as on the request line; Unix time in seconds; nonce; SHA-256 of the
raw body in lower-case hexadecimal (of zero bytes where there is none). The signature is `v1=` and the HMAC in
lower-case hexadecimal. Four headers carry it: `x-singr-key`, `x-singr-timestamp`, `x-singr-nonce`, `x-singr-signature`.
"""

import hashlib
import hmac
import re
import secrets
from typing import Final, Literal

from singr_auth._tokens import _base62
from singr_config import HoldsSecrets, PortableError, Secret
from singr_config.clock import clock

KEY_HEADER: Final = "x-singr-key"
TIMESTAMP_HEADER: Final = "x-singr-timestamp"
NONCE_HEADER: Final = "x-singr-nonce"
SIGNATURE_HEADER: Final = "x-singr-signature"

TOLERANCE_SECONDS: Final = 300
"""How far a request's clock may be off, to either side."""

SHORTEST_SECRET: Final = 32

SignatureProblem = Literal["missing", "malformed", "stale", "mismatch"]

_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII).fullmatch
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII).fullmatch
_SIGNATURE: Final = re.compile(r"v1=[0-9a-f]{64}", re.ASCII).fullmatch
_OTHER_VERSION: Final = re.compile(r"v[0-9]{1,3}=[\x21-\x2b\x2d-\x7e]{1,512}", re.ASCII).fullmatch
_MOST_SIGNATURES: Final = 4


class SignatureError(PortableError):
    """A signed request is refused.

    Attributes:
        code: `missing` or `malformed` header, `stale` timestamp, or `mismatch` of signature and request.
        header: the header to look at.
        message: what is wrong and what to do; holds nothing secret.
    """

    def __init__(self, code: SignatureProblem, header: str, message: str) -> None:
        super().__init__(message)
        self.code: SignatureProblem = code
        self.header = header
        self.message = message


class SigningKey(HoldsSecrets, frozen=True):
    """What a client signs with.

    Attributes:
        key_id: 1 to 64 of letters, digits, dot, underscore, hyphen.
        secret: shared with the server; 32 characters or more, as many as the hash has bytes (RFC 2104, section 3).
        previous: further secrets to sign with while the server may not know the new one yet.
    """

    key_id: str
    secret: Secret
    previous: tuple[Secret, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could never be verified, or could be guessed, at the place where it was configured."""
        super().__post_init__()
        if not _KEY_ID.fullmatch(self.key_id):
            raise ValueError("A key id is 1 to 64 letters, digits, dots, underscores or hyphens.")
        if any(len(secret.reveal()) < SHORTEST_SECRET for secret in (self.secret, *self.previous)):
            raise ValueError(
                f"A signing secret is {SHORTEST_SECRET} characters or more: new_signing_secret() makes one."
            )
        if len(self.previous) >= _MOST_SIGNATURES:
            raise ValueError(f"At most {_MOST_SIGNATURES - 1} previous secrets.")


def new_signing_secret() -> Secret:
    """Make a signing secret of 256 random bits: `ss_live_`, 43 characters of base 62, and a checksum."""
    return Secret(_base62.random_token("ss_live_", 32, 43))


def sign_request(
    key: SigningKey, *, method: str, path: str, body: bytes, timestamp: int | None = None, nonce: str | None = None
) -> dict[str, str]:
    """Return the four headers that sign a request.

    Args:
        key: whose request it is.
        method: as sent, e.g. `POST`.
        path: path with query exactly as on the request line, percent-encoded, e.g. `/v1/jobs?limit=5`.
        body: the raw bytes that are sent; empty where there is no body.
        timestamp: Unix seconds; now, unless told.
        nonce: 16 to 64 of `A-Z a-z 0-9 _ -`, never used before; a random one, unless told.
    """
    stamp = str(int(clock.time()) if timestamp is None else timestamp)
    once = secrets.token_urlsafe(16) if nonce is None else nonce
    if not _NONCE(once):
        raise ValueError("A nonce is 16 to 64 letters, digits, underscores or hyphens.")
    message = _string_to_sign(method.upper(), path, stamp, once, body)
    signatures = [f"v1={_hmac(secret, message)}" for secret in (key.secret, *key.previous)]
    return {
        KEY_HEADER: key.key_id,
        TIMESTAMP_HEADER: stamp,
        NONCE_HEADER: once,
        SIGNATURE_HEADER: ",".join(signatures),
    }


def verify_request(
    *,
    secret: Secret,
    method: str,
    path: str,
    body: bytes,
    timestamp: str,
    nonce: str,
    signature: str,
    now: float,
    tolerance: float = TOLERANCE_SECONDS,
) -> None:
    """Return if the request was signed with `secret` within `tolerance` seconds of `now`; compare in constant time.

    It remembers nothing: that a nonce is used once is for the caller to see to, after this and before anything is done.

    Args:
        secret: the secret that the request's `x-singr-key` names.
        method: as received.
        path: path with query exactly as received.
        body: the raw bytes received.
        timestamp: the header `x-singr-timestamp`; empty where absent.
        nonce: the header `x-singr-nonce`; empty where absent.
        signature: the header `x-singr-signature`: one or more `v1=<hex>`, comma-separated; one must fit.
        now: Unix seconds.
        tolerance: seconds, to either side.

    Raises:
        SignatureError: with the code, the header to look at, and the remedy.
    """
    if not (timestamp and nonce and signature):
        header = NONCE_HEADER if not nonce else TIMESTAMP_HEADER if not timestamp else SIGNATURE_HEADER
        raise SignatureError("missing", header, f"A signed request carries {header}.")
    if not _TIMESTAMP(timestamp):
        raise SignatureError("malformed", TIMESTAMP_HEADER, "The timestamp is Unix time in whole seconds.")
    if not _NONCE(nonce):
        raise SignatureError("malformed", NONCE_HEADER, "A nonce is 16 to 64 letters, digits, underscores or hyphens.")
    presented = (signature,) if _SIGNATURE(signature) else _split(signature)
    if abs(now - int(timestamp)) > tolerance:
        raise SignatureError(
            "stale",
            TIMESTAMP_HEADER,
            f"The timestamp is more than {tolerance:g} seconds off; set this machine's clock and sign anew.",
        )
    expected = "v1=" + _hmac(secret, _string_to_sign(method, path, timestamp, nonce, body))
    fits = False
    for candidate in presented:  # every candidate is compared, so that the time does not tell which one was close
        fits |= hmac.compare_digest(expected, candidate)
    if not fits:
        raise SignatureError(
            "mismatch",
            SIGNATURE_HEADER,
            "The signature does not match: sign method, path with query, timestamp, nonce and body exactly as sent.",
        )


def _split(header: str) -> list[str]:
    """Return the `v1` signatures of the header; other versions may stand beside them."""
    parts = [part.strip(" \t") for part in header.split(",", _MOST_SIGNATURES)]
    found = [part for part in parts if _SIGNATURE(part)]
    others = [part for part in parts if not part.startswith("v1=") and _OTHER_VERSION(part)]
    if not found or len(parts) > _MOST_SIGNATURES or len(found) + len(others) != len(parts):
        raise SignatureError(
            "malformed",
            SIGNATURE_HEADER,
            f"The signature is v1= and 64 lower-case hexadecimal digits; at most {_MOST_SIGNATURES}, comma-separated.",
        )
    return found


def _string_to_sign(method: str, path: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    text = f"{method}\n{path}\n{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    return text.encode("utf-8", "surrogatepass")  # never raises: an odd path is a mismatch, not a crash


def _hmac(secret: Secret, message: bytes) -> str:
    return hmac.digest(secret.reveal().encode("utf-8", "surrogateescape"), message, "sha256").hex()
