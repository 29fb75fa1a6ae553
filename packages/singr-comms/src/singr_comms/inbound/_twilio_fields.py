"""The fields of Twilio's callbacks, and whether what was signed can be cut into them in one way alone.

Twilio signs address, names and values run together, without anything between them. So whoever holds the signature of a
text of theirs could send it again, cut elsewhere: `Body=STOPFrom+49…` as `Body=STOP` and `From=+49…`. What we read must
therefore stand where Twilio wrote it: no name that we read may occur inside another name, a value or the query.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import parse_qs, parse_qsl

from singr_comms.inbound._callback import Callback, UnreadableError, decoded
from singr_comms.inbound._keywords import wish_of

OWN_ID: Final = "message_id"
"""The parameter of a status callback's address that carries our own id."""
BODY_HASH: Final = "bodySHA256"
_JSON: Final = "application/json"
_MOST_FIELDS: Final = 1000
_SID: Final = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_HASH_LAST: Final = re.compile(rf"(?:^|&){BODY_HASH}=[0-9A-Fa-f]{{64}}\Z")
# Each with the names of Twilio's that contain it; a sender begins with +, a digit or a channel in small letters.
_NAMES: Final = {
    "AccountSid": re.compile("AccountSid"),
    "MessageSid": re.compile("(?<!Sms)(?<!OriginalReplied)MessageSid"),
}
_NAMES_OF_STATES: Final = {name: re.compile(name) for name in ("MessageStatus", "ErrorCode")}
# People may well write these; they matter where something comes of a text.
_NAMES_OF_ANSWERS: Final = {
    "Body": re.compile("Body"),
    "From": re.compile("From(?!City|State|Zip|Country)"),
    "OptOutType": re.compile("OptOutType"),
}
_SAME_SID: Final = ("SmsSid", "SmsMessageSid")
_OTHER_SID: Final = "OriginalRepliedMessageSid"


def is_form(callback: Callback) -> bool:
    """Whether the body is a form; else it is JSON, whose hash is signed in the address."""
    kind = callback.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind != _JSON


def pairs_of(callback: Callback) -> Sequence[tuple[str, str]]:
    """Names and values of a form in their order. Raises UnreadableError."""
    try:
        text = callback.body.decode("utf-8", "replace")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise UnreadableError("the body is no form") from None


def fields_of(callback: Callback) -> Mapping[str, Any]:
    """What is read. Raises UnreadableError."""
    if is_form(callback):
        return dict(pairs_of(callback))
    body = decoded(callback.body)
    if not isinstance(body, dict):
        raise UnreadableError("the body is no object")
    return body


def wish_in(fields: Mapping[str, Any]) -> Literal["stop", "start"] | None:
    """What a text wants, by what Twilio says that it means, or by itself."""
    return wish_of(str(fields.get("OptOutType") or fields.get("Body") or ""))


def doubt_about(callback: Callback, account_sid: str) -> str | None:
    """Why a callback is not surely what Twilio signed, whatever its signature; None where it is.

    Args:
        callback: as it came.
        account_sid: ours; empty where none is set.

    Raises:
        UnreadableError: it has no fields.
    """
    if len(parse_qs(callback.query, keep_blank_values=True).get(OWN_ID, [])) > 1:
        return f"{OWN_ID} may stand in the address once"
    if not is_form(callback) and not _HASH_LAST.search(callback.query):
        return f"{BODY_HASH} must be the last parameter of the address"
    fields = fields_of(callback)
    pairs = pairs_of(callback) if is_form(callback) else []
    read = _NAMES
    if callback.part != "inbound":
        read = _NAMES | _NAMES_OF_STATES
    elif wish_in(fields) is not None:
        read = _NAMES | _NAMES_OF_ANSWERS
    return _cut(callback.query, pairs, read) or _odd(fields, account_sid)


def _cut(query: str, pairs: Sequence[tuple[str, str]], read: Mapping[str, re.Pattern[str]]) -> str | None:
    names = [name for name, _ in pairs]
    parts = [query, *(part for pair in pairs for part in pair)]
    signed = query + "".join(name + value for name, value in sorted(set(pairs)))
    for name, pattern in read.items():
        if names.count(name) > 1:
            return f"{name} may stand there once"
        inside = sum(len(pattern.findall(part)) for part in parts)
        if max(inside, len(pattern.findall(signed))) > names.count(name):
            return f"{name} stands inside another field too, so that the fields may have been cut anew"
    return None


def _odd(fields: Mapping[str, Any], account_sid: str) -> str | None:
    sid = fields.get("MessageSid")
    if not (isinstance(sid, str) and _SID.fullmatch(sid)):
        return "MessageSid must be SM or MM and 32 hexadecimal digits"
    if any(fields.get(name, sid) != sid for name in _SAME_SID):
        return "SmsSid and SmsMessageSid must be the same as MessageSid"
    if not _SID.fullmatch(str(fields.get(_OTHER_SID) or sid)):
        return f"{_OTHER_SID} must be SM or MM and 32 hexadecimal digits"
    if account_sid and fields.get("AccountSid", account_sid) != account_sid:
        return "AccountSid must be that of TWILIO_ACCOUNT_SID"
    return None
