"""What a mail server's answers mean (RFC 5321, 4954, 3463, and what relays say in words of their own)."""

import re
import ssl
from enum import Enum, auto
from functools import partial
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
from singr_comms.providers._account_words import names_our_account, without_hosts
from singr_comms.providers._smtp._encryption import about_certificate, about_encryption, of_encryption
from singr_comms.providers._smtp._own_words import OwnWords, domain_of, own_words

MALFORMED: Final = "Malformed answer: "
_MALFORMED_TO_LIBRARY: Final = "Malformed SMTP response line: "
_FAILURE: Final = range(400, 600)
_CLOSING: Final = 421
_BAD_SEQUENCE: Final = 503
_PERMANENT: Final = range(500, 600)
# Sign-in wanted, failed, too weak or not encrypted (RFC 4954, RFC 5248): none of that is the recipient's doing. Once
# one is named, codes of commands and of the service (432, 454, 500 to 504, 521) are said of recipients, too.
_ABOUT_US: Final = frozenset({523, 524, 525, *range(530, 540)})
_ABOUT_THEM: Final = frozenset({551, 556})  # moved elsewhere; a domain that takes no mail (RFC 5321, RFC 7504)
_NETWORK: Final = 4  # subjects of RFC 3463
_POLICY: Final = "7"
_TAKES_NOTHING: Final = (3, 2)  # the system, or a mailbox on it
_ENHANCED: Final = re.compile(r"(?<![0-9.])[45]\.([0-9]{1,3})\.([0-9]{1,3})(?!\.?[0-9])")
# Sender addresses, a system that takes no mail, sending limits, sign-in, signatures of our domain, our host's name and
# reputation (RFC 3463, RFC 7372, RFC 8617, and the large relays).
_OURS: Final = frozenset(
    {(1, 7), (1, 8), (2, 252), (4, 5), (7, 3), (7, 8), (7, 9), (7, 11), (7, 12), (7, 13), (7, 14), (7, 54)}
    | {(7, number) for number in (57, 60, 64, 139, 501, 502, 503, 506, 508, 509, 510, 511, 705, 708, 750)}
    | {(7, number) for number in (*range(20, 30), *range(606, 652))}
)
# A group that takes no mail from outside, a banned recipient, a recipient's own rules (Exchange Online).
_THEIRS: Final = frozenset((7, number) for number in (124, 129, 133, 134, 136, 193, 504, 505, 507, 703))
_REFUSED: Final = r"(reject|refus|block|black|denied|deny|banned|listed|not allowed|reputation|throttl|rate.?limit)"
_OUR_HOST: Final = re.compile(
    r"\b(client|connecting|sending|your|source) (host|server|mta)\b.{0,80}" + _REFUSED + "|"
    r"\b(helo|ehlo|client|your ip)\b.{0,60}" + _REFUSED + "|"
    r"\bbanned (sender|sending|ip|host)|(from|by) your (ip|host|server|network)\b|messages? from \[?[0-9]|"
    r"\b(mails?|e-?mails?|messages?|connections?|traffic|sent|not accepted) from this (ip|host|server|network)\b|"
    r"\byour (mail ?)?(server|host|mta|relay)\b|invalid (helo|ehlo)|"
    r"reverse (dns|host ?name|lookup)|rdns|outbound ?spam|bad outbound|your network is|\bon our block ?list"
)
# Some host, network or list: ours, unless the words are on a recipient, whose mail servers have addresses as well, or
# on what a message holds.
_SOME_HOST: Final = re.compile(
    r"\b(remote (host|server|mta)|ips?|ip address(es)?)\b.{0,80}" + _REFUSED + "|"
    r"\b(client|host|server|network|ip|from|ehlo|helo)\b:? ?\[?(ipv6:)?[0-9a-f]{0,4}[.:][0-9a-f.:]+\]?.{0,60}"
    + _REFUSED
    + "|"
    r"(?<![0-9.])[0-9]{1,3}(\.[0-9]{1,3}){3}(?![0-9.])\]?(?! said).{0,60}" + _REFUSED + "|"
    r"\bptr\b|blocked (using|by|via) \S+\.\S+"
)
_SOMEBODY: Final = re.compile(r"\brecipient\b|\bmailbox\b|\bmx\b")
# Postfix says what it checks: this is our sender, whatever follows.
_OUR_SENDER: Final = re.compile(r"\bsender address\b\W{0,5}(rejected:|blocked using)|sender verify call ?-?out")
# Whose limit it is, where it is said: theirs.
_THEIR_QUOTA: Final = re.compile(
    r"\b(recipient|mailbox|inbox|user's|customer's)('s|s')? (\w+ ){0,2}(quota|limit|storage|credit)"
)
# The recipient's address, mailbox and server, and other rules than those for us.
_OF_ANOTHER: Final = re.compile(
    r"\brecipient address\b.{0,20}\bblocked\b|\bverify call ?-?out|\bbogus (network|mx|address)|\bmail server in\b|"
    r"\bmailbox of\b|\b(mailbox|recipient)\b.{0,20}\bbusy\b|\bdoes not accept (any )?(mail|e-?mail|messages)|"
    r"\b(server|tls|peer|its|remote) certificate\b|\btls (is )?required,? but\b|\bdoes not (offer|support) "
    r"(it|tls|starttls)|\bconnections? to (?!us\b|this\b|me\b)|need fully.qualified address|"
    r"\byour (organi[sz]ation|company) (does|do|will)(n't| not) (allow|accept|permit)"
)
# What a message holds: its senders write there what they like.
_OF_CONTENT: Final = re.compile(
    r"\b(phish\w*|subject(?! to)|contain(s|ing)?|phrase|body|content)\b.{0,40}\byour\b|\bsurbl|\buribl|"
    r"\b(message|mail|content|body|url|uri|link|domain)s? (was |is |has been )?(blocked|listed|rejected) "
    r"(using|by|via|in|on|at) "
)
_GREYLIST: Final = re.compile(r"gr[ae]y-?list")
# Words in which servers speak of whom a message goes to, of their accounts and limits.
_OF_RECIPIENT: Final = re.compile(
    r"tried to reach|trying to reach|attempted to reach|\b(user|recipient|customer|subscriber|member)('s|s')? "
    r"(e-?mail )?(account|mailbox|inbox)|mailbox (is )?(unavailable|disabled|inactive|full|not)|no (such )?mailbox|"
    r"no such (user|recipient)|user (is )?unknown|unknown (user|recipient)|for (this |the )?recipient|"
    r"\brecipient('s)?\b.{0,40}"
    r"(quota|rate|limit|receiv|not accept|only accept|allow|suspend|disabl|inactive|expired|domain)|"
    r"by (the |this )?(user|recipient|customer)\b|allow(ed)?[ -]?list|white ?list|resolver\.rst|"
    r"\b(user|recipient|mailbox|customer|member)s? (does|do|did|will|only|can)( ?not|n't)? "
    r"(accept|allow|receive|want|take)|"
    r"\buser\b.{0,10}over ?quota|blocked you\b|(?<!sender )\b(address|user|mailbox|recipient|account)\b.{0,30}"
    r"(does not exist|doesn't exist|not exist|not found|unknown|no longer|has moved)|"
    r"(this|the|that) (recipient|group|list|mailbox|distribution)\b|receiv(e|ing) (mail|messages?|e-?mail)"
)
# Words that name our account, sender or sign-in, wherever they are said.
_OUR_ACCOUNT: Final = re.compile(
    r"relay(ing)? (access )?(is )?(denied|not (allowed|permitted))|unable to relay|"
    r"authentication.{0,12}(required|fail|credentials|needed|unsuccessful|invalid)|authenticate|unauthenticated|"
    r"\bsender( address| domain| identity| id)?( is| was| has been)? ?"
    r"(reject|refus|denied|unverified|block|black|listed|banned|"
    r"not (verified|owned|authori[sz]ed|allowed|permitted|registered))|"
    r"verified sender|\b(from|domain|identity|sender)\b.{0,30}(not verified|unverified)|"
    r"\byour (account|domain|plan|subscription|credits?|organi[sz]ation|company)\b|\btenant\b|"
    r"sending (is )?(paused|disabled|suspended|limit|quota|rate)|sender.{0,30}(quota|limit|rate)|"
    r"(exceed|reach|over).{0,30}(sending|credit)|max(imum)? (credits|sending)|"
    r"max(imum)?( number of)? (e-?mails?|messages|mails|recipients) per (second|minute|hour|day|month)|"
    r"not (authori[sz]ed|permitted|allowed) to (send|relay)|payment|billing|free accounts"
)
# Once the recipient was accepted, these speak of us as well; before, an account or a limit may be the recipient's.
_OUR_ACCOUNT_LATER: Final = re.compile(
    r"authenticat|\bsender\b.{0,40}\b(reject|refus|denied|unverified|not|unauthenticated|identity)|"
    r"not verified|unverified|(daily|hourly|monthly|user|account|message|sending|rate).{0,20}(quota|limit)\b.{0,20}"
    r"(exceed|reach|hit)|(exceed|reach|over).{0,30}(sending|daily|hourly|monthly|account|credit)|"
    r"(account|user|customer).{0,30}(suspend|disabl|lock|block|clos|inactive|not active|expired)|throttl|"
    r"not (authorized|permitted|allowed) to use"
)
# An account that is open to some recipients only, until it is paid or approved: the others are accepted.
_OPEN_TO_SOME: Final = re.compile(
    r"\bonly (be )?(send|sent|sending|mail)\b|testing e-?mails|\btrial\b|pending approval|\bsandbox\b|"
    r"unverified recipient"
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
    """DATA, and nothing of the message."""
    CONTENT = auto()
    """The message itself."""


_BEFORE_ANY: Final = frozenset({Stage.CONNECT, Stage.SIGN_IN, Stage.SENDER})
"""Before a recipient is named: what is said here is about us."""


def sort_error(error: Exception, stage: Stage, host: str, recipient: str = "") -> SendError:
    """What went wrong with a delivery by `host` to `recipient`, as whoever sends must know it.

    Whatever a server refuses before it heard of a recipient is about us. So is the sender. Of the rest, codes and words
    tell; what the recipient chose, and what their server said, is passed over: anybody writes there what they like.
    """
    if refuses_pipelining(error):
        return TransientError("smtp_503", "the mail server takes commands one by one: so the next try sends them")
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _FAILURE:
        words = f"the mail server answered {error.code}: {scrub(error.message)}"
        code = f"smtp_{error.code}"
        ours = is_about_us(error.code, error.message, stage, recipient)
        if ours:
            own = own_words(error.message, recipient).words
            some = _OPEN_TO_SOME.search(own) is not None
            return AccountRefusedError(
                code,
                words,
                only_some=some,
                later=_says_later(error.code, own),
                of_message=stage not in _BEFORE_ANY,
                waits=error.code not in _PERMANENT,
            )
        later = partial(TransientError, about_recipient=ours is False, waits=True)
        return (PermanentSendError if error.code in _PERMANENT else later)(code, words, doubtful=ours is None)
    return _unusable(error, stage, host) or _broken_off(error, stage, host, recipient)


def _unusable(error: Exception, stage: Stage, host: str) -> AccountRefusedError | None:
    """Nothing can be sent by this server, as it is or as we were told to use it."""
    secured = of_encryption(error)
    if isinstance(secured, ssl.SSLCertVerificationError):
        return AccountRefusedError("smtp_unsupported", about_certificate(secured, host))
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError):
        return AccountRefusedError("smtp_unsupported", f"the mail server cannot do it: {scrub(str(error))}")
    if stage is Stage.SIGN_IN and type(error) is aiosmtplib.SMTPException:
        return AccountRefusedError("smtp_no_sign_in", f"the mail server takes no sign-in: {scrub(str(error))}")
    return None


def _broken_off(error: Exception, stage: Stage, host: str, recipient: str) -> SendError:
    code = "timeout" if isinstance(error, TimeoutError) else "connection"
    secured = of_encryption(error)
    what = "the connection failed" if stage is Stage.CONNECT else "the connection was lost"
    if isinstance(error, TimeoutError):
        what = "no answer in time"
    elif secured is not None:
        what = about_encryption(secured, host)
    elif isinstance(error, aiosmtplib.SMTPResponseException):
        what = f"an answer that makes no sense ({_in_its_words(error)})"
    # A server that asks the recipient's own one first, or passes on to it what it takes, is as slow as that.
    domain = domain_of(recipient) if stage not in _BEFORE_ANY else ""
    if stage is Stage.CONTENT:
        what = f"{what} while the mail server took the message"
        return UnknownOutcomeError(code, what, recipient_domain=domain)
    return TransientError(code, f"{what} before the message was handed over", waits=True, recipient_domain=domain)


def _in_its_words(error: aiosmtplib.SMTPResponseException) -> str:
    """What a mail server said that is no refusal; below 0 stand the library's codes for what has none."""
    said = error.message if error.code < 0 else f"{error.code}: {error.message}"
    return scrub(said.removeprefix(MALFORMED).removeprefix(_MALFORMED_TO_LIBRARY))


def ends_connection(error: BaseException, stage: Stage) -> bool:
    """Whether a kept connection, and not the message, is what the server will not go on with; another one may do.

    So it is where MAIL is not taken, whatever the server says: many limit the messages of a connection. Later, before
    anything of the message leaves, it is where the server hangs up or says that it is about to.
    """
    if stage is Stage.SENDER:
        return isinstance(error, aiosmtplib.SMTPException | OSError)
    closing = isinstance(error, aiosmtplib.SMTPResponseException) and error.code == _CLOSING
    return stage in {Stage.RECIPIENT, Stage.DATA} and (closing or isinstance(error, ConnectionError))


def is_refusal(error: BaseException) -> bool:
    """Whether the server refused, and is ready for another message: neither is it closing, nor makes it no sense."""
    return isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _FAILURE and error.code != _CLOSING


def refuses_pipelining(error: BaseException) -> bool:
    """Whether the server takes commands one by one, whatever it offered (Postfix: improper command pipelining)."""
    return (
        isinstance(error, aiosmtplib.SMTPResponseException)
        and error.code == _BAD_SEQUENCE
        and "pipelin" in error.message.lower()
    )


def is_about_us(code: int, message: str, stage: Stage, recipient: str = "") -> bool | None:
    """Whether a refusal concerns our account, server or sender (True), or the recipient or the message (False).

    None where nothing tells: whoever sends watches whether others are refused alike. A "later" that does not clearly
    speak of us is never watched so once a recipient was named: it costs no message, and others have nothing to do with
    it.
    """
    if stage in _BEFORE_ANY or code in _ABOUT_US:
        return True
    said = own_words(message, recipient)
    later = code not in _PERMANENT
    if later and _GREYLIST.search(said.words):
        return False
    enhanced = _status(said.words, recipient)
    known = None if code == _CLOSING else _by_status(enhanced, said, stage, later=later)
    if known is None:
        known = _by_words(said, stage)
    if known is not None or code == _CLOSING:
        return known is not False
    of_one = later and (stage is Stage.RECIPIENT or (enhanced is not None and enhanced[1] == _POLICY))
    return False if said.quotes or code in _ABOUT_THEM or of_one else None


def _status(words: str, recipient: str) -> re.Match[str] | None:
    """The enhanced status, which is not what the recipient is called."""
    name = recipient.rpartition("@")[0]
    return next((each for each in _ENHANCED.finditer(words) if each[0] != name), None)


def _says_later(code: int, words: str) -> bool:
    words = without_hosts(words)
    return code not in _PERMANENT and not (names_our_account(words) or _OUR_ACCOUNT.search(words))


def _by_status(enhanced: re.Match[str] | None, said: OwnWords, stage: Stage, *, later: bool) -> bool | None:
    """What the enhanced status tells (RFC 3463); None where it leaves it to the words."""
    if enhanced is None:
        return None
    subject, detail = int(enhanced[1]), int(enhanced[2])
    if (subject, detail) == _TAKES_NOTHING:
        return _by_words(said, stage) is not False
    if (subject, detail) in _OURS:
        return True
    # Their address, or its server.
    at_recipient = stage is Stage.RECIPIENT and (subject == 1 or (later and subject == _NETWORK))
    if at_recipient or (subject, detail) in _THEIRS:
        return False
    if subject in {1, 2, 6} or (subject, detail) == (3, 4):  # address, mailbox, content, size
        return "outboundspam" in said.words
    return None


def _by_words(said: OwnWords, stage: Stage) -> bool | None:
    plain = without_hosts(said.words)
    if _OUR_SENDER.search(plain):
        return True
    if _OF_CONTENT.search(said.words) or _is_in(_THEIR_QUOTA, said):
        return False
    if names_our_account(plain) or _OUR_HOST.search(plain):
        return True
    if _is_in(_OF_ANOTHER, said) or _is_in(_OF_RECIPIENT, said):
        return False
    later = stage is not Stage.RECIPIENT and _OUR_ACCOUNT_LATER.search(plain) is not None
    some_host = _SOME_HOST.search(plain) is not None and not _is_in(_SOMEBODY, said)
    return True if later or some_host or _OUR_ACCOUNT.search(plain) else None


def _is_in(words: re.Pattern[str], said: OwnWords) -> bool:
    return words.search(said.words) is not None or words.search(said.as_written) is not None
