"""Time-based one-time passwords (RFC 6238): SHA-1, 30 seconds, 6 digits, as every authenticator app has them.

A code is good for its step and `window` steps to either side, and once: the caller stores the step that was accepted,
by one atomic statement, and passes it as `after` from then on.
"""

import base64
import hmac
import secrets
from typing import Final, Literal

import pyotp

from singr_auth._codes._codes import CodeError, check_code_form
from singr_config import PortableError, Secret
from singr_config.constants import SECOND_FACTOR

_SECRET_BYTES: Final = 20  # RFC 4226 4 R6: 160 bits

TotpProblem = Literal["malformed", "mismatch", "reused"]


class TotpError(PortableError):
    """A code is refused.

    Attributes:
        code: `malformed` (not six ASCII digits), `mismatch`, or `reused` (right, but not newer than the last one).
    """

    def __init__(self, code: TotpProblem, message: str) -> None:
        super().__init__(message)
        self.code: TotpProblem = code


def new_totp_secret() -> Secret:
    """Draw a secret of 160 bits, in base 32 as people type it. Keep it sealed."""
    return Secret(base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode())


def provisioning_uri(secret: Secret, *, account: str, issuer: str) -> str:
    """Return the `otpauth://` address that an authenticator app reads, as text or from a QR code.

    It holds the secret: show it, and keep it nowhere.

    Args:
        secret: as made by `new_totp_secret`.
        account: whose, as the app shows it: an e-mail address.
        issuer: of which product.
    """
    return _totp(secret).provisioning_uri(name=account.replace(":", " "), issuer_name=issuer)


def match_totp(secret: Secret, code: str, *, now: float, window: int = 1, after: int | None = None) -> int:
    """Return the time step that the code belongs to: the number to store, and to pass as `after` from then on.

    Args:
        secret: the person's.
        code: as typed; spaces and hyphens in it do not count.
        now: Unix seconds.
        window: how many steps of 30 seconds before and after now are accepted too.
        after: the step accepted last; only a later one is accepted.

    Raises:
        TotpError: with the code that says why.
    """
    try:
        typed = check_code_form(code)
    except CodeError as error:
        raise TotpError("malformed", str(error)) from None
    totp = _totp(secret)
    current = int(now // SECOND_FACTOR.totp_step)
    matched = -1
    for step in range(max(0, current - window), current + window + 1):  # all of them, whichever fits
        if hmac.compare_digest(totp.generate_otp(step), typed):
            matched = step
    if matched < 0:
        raise TotpError("mismatch", "The code is wrong. It changes every 30 seconds; is the phone's clock right?")
    if after is not None and matched <= after:
        raise TotpError("reused", "This code has already been used. Wait for the next one.")
    return matched


def _totp(secret: Secret) -> pyotp.TOTP:
    return pyotp.TOTP(secret.reveal(), digits=SECOND_FACTOR.code_digits, interval=SECOND_FACTOR.totp_step)
