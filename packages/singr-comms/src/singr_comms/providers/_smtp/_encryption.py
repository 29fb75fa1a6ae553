"""What went wrong with a connection's encryption, in plain words and without the library's."""

import re
import ssl
from typing import Final

# As OpenSSL numbers what is wrong with a certificate (X509_V_ERR_…).
_CERTIFICATE: Final = {
    9: "it is not valid yet",
    10: "its time is over",
    **dict.fromkeys((18, 19, 20, 21), "nobody whom this machine trusts has signed it"),
    **dict.fromkeys((62, 64), "it was made for another name than {host}"),
}
# What OpenSSL reads into bytes that are no TLS at all; and the marks of its own that it writes about them.
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"}
    | {"UNEXPECTED_MESSAGE", "UNSUPPORTED_RECORD_TYPE", "BAD_RECORD_TYPE"}
)
_MARKS: Final = re.compile(r"\[[A-Z_ ]*: ?[A-Z0-9_ ]*\] ?| ?\(_ssl\.c:[0-9]+\)")


def of_encryption(error: BaseException) -> ssl.SSLError | None:
    """The fault of encryption behind an error; the library passes some on as they are, and some as its own."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    return cause


def about_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    """Why a certificate is not accepted. `host` is our own setting, and no secret."""
    known = _CERTIFICATE.get(error.verify_code)
    why = f"its check says: {error.verify_message}" if known is None else known.format(host=host)
    return f"the certificate that {host} shows is not accepted: {why}"


def about_encryption(error: ssl.SSLError, host: str) -> str:
    """Why there is no encryption, or no longer one."""
    if error.reason in _NO_TLS:
        return f"no encryption with {host} (what it answers is no TLS)"
    why = error.reason.replace("_", " ").lower() if error.reason else _MARKS.sub("", str(error))
    return f"no encryption with {host} ({why})"
