"""What a mail server's answers mean (RFC 5321, 4954, 3463, and what relays say in words of their own)."""

import re
from enum import Enum, auto
from typing import Final

import aiosmtplib

from singr_comms._errors import (
    AccountRefusedError,
    PermanentSendError,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms._masking import scrub

_FAILURE: Final = range(400, 600)
_PERMANENT: Final = range(500, 600)
# Sign-in wanted, failed, too weak or not encrypted (RFC 4954); the service is closing (RFC 5321); payment, as some say.
_ABOUT_US: Final = frozenset({421, 432, 454, 521, 523, 530, 534, 535, 538})
_ENHANCED: Final = re.compile(r"\b[45]\.([0-9]{1,3})\.([0-9]{1,3})\b")
_ADDRESSES: Final = re.compile(r"<[^>]*>|\S*@\S*")
# Sender addresses, a system that takes no mail, sending limits, sign-in (RFC 3463, RFC 7372, and the large relays).
_OURS: Final = frozenset(
    {(1, 7), (1, 8), (2, 252), (3, 2), (4, 5), (7, 3), (7, 8), (7, 9), (7, 11), (7, 12), (7, 13), (7, 14), (7, 60)}
    | {(7, number) for number in range(501, 511)}
)
_WORDS: Final = re.compile(
    r"relay(ing)? (access )?(is )?(denied|not (allowed|permitted))|unable to relay|authenticat|"
    r"\bsender\b.{0,40}\b(reject|refus|denied|unverified|not|unauthenticated|identity)|unauthenticated sender|"
    r"not verified|unverified|verified sender|sending (is )?(paused|disabled|suspended|limit|quota)|"
    r"(daily|hourly|monthly|user|account|message|sending|rate).{0,20}(quota|limit)\b.{0,20}(exceed|reach|hit)|"
    r"(exceed|reach|over).{0,30}(sending|daily|hourly|monthly|account|credit)|maximum (credits|sending rate)|"
    r"account.{0,30}(suspend|disabl|lock|block|clos|inactive|not active|expired)|throttl|"
    r"not (authorized|permitted|allowed) to (send|use|perform|relay)|payment|billing|free accounts|"
    r"(client host|helo|ip( address)?|your ip\b.{0,40}) ?(is )?(reject|block|blacklist|blocklist|denied|listed)"
)


class Stage(Enum):
    """How far a delivery has come."""

    CONNECT = auto()
    """Greeting, EHLO, encryption."""
    SIGN_IN = auto()
    """AUTH."""
    SENDER = auto()
    """MAIL FROM."""
    RECIPIENT = auto()
    """RCPT TO."""
    DATA = auto()
    """The message itself."""


def sort_error(error: Exception, stage: Stage) -> SendError:
    """What went wrong, as whoever sends must know it.

    Whatever a server refuses before it heard of a recipient is about us. So is the sender. Of the rest, codes and words
    tell; addresses in the words are passed over, since anybody chooses what their own address says.
    """
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _FAILURE:
        words = f"the mail server answered {error.code}: {scrub(error.message)}"
        code = f"smtp_{error.code}"
        if is_about_us(error.code, error.message, stage):
            return AccountRefusedError(code, words)
        return PermanentSendError(code, words) if error.code in _PERMANENT else TransientError(code, words)
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError):
        return AccountRefusedError("smtp_unsupported", f"the mail server cannot do it: {scrub(str(error))}")
    if stage is Stage.SIGN_IN and type(error) is aiosmtplib.SMTPException:
        return AccountRefusedError("smtp_no_sign_in", f"the mail server takes no sign-in: {scrub(str(error))}")
    code = "timeout" if isinstance(error, TimeoutError) else "connection"
    if stage is Stage.DATA:
        return UnknownOutcomeError(code, f"{type(error).__name__} while the mail server took the message")
    return TransientError(code, f"{type(error).__name__} before the message was handed over")


def is_about_us(code: int, message: str, stage: Stage) -> bool:
    """Whether a refusal concerns our account, server or sender, and not the recipient or the message."""
    if stage in {Stage.CONNECT, Stage.SIGN_IN, Stage.SENDER} or code in _ABOUT_US:
        return True
    enhanced = _ENHANCED.search(message)
    if enhanced is not None:
        subject, detail = int(enhanced[1]), int(enhanced[2])
        if (subject, detail) in _OURS:
            return True
        if subject in {1, 2, 6} or (subject, detail) == (3, 4):  # address, mailbox, content, size
            return False
    return _WORDS.search(_ADDRESSES.sub(" ", message).lower()) is not None
