"""Twilio's callbacks: what became of a text (`/status`), and texts that people send (`/inbound`).

Signed as https://www.twilio.com/docs/usage/webhooks/webhooks-security says: by the auth token, or by a shared key where
`X-Twilio-Webhooks-Signature-Settings` comes along.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from singr_comms.inbound._callback import (
    AddressNews,
    Callback,
    ForgedError,
    InboundType,
    MessageNews,
    News,
    OtherNews,
    Secrets,
    UnreadableError,
    any_same,
    own_id,
    same,
    text_of,
    word_of,
    words_of,
)
from singr_comms.inbound._twilio_fields import (
    BODY_HASH,
    OWN_ID,
    doubt_about,
    fields_of,
    is_form,
    pairs_of,
    wish_in,
)
from singr_config import Settings

_SIGNATURE: Final = "x-twilio-signature"
_SETTINGS: Final = "x-twilio-webhooks-signature-settings"
_ALGORITHMS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_USUAL: Final = "HMAC_SHA1"
_PORTS: Final = {"https": 443, "http": 80}

_STATES: Final[dict[str, Any]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "bounced",
    "failed": "bounced",
    "canceled": "bounced",
    "accepted": None,
    "scheduled": None,
    "queued": None,
    "sending": None,
}
# https://www.twilio.com/docs/api/errors: who answered STOP; a number that is none, or takes no texts; one that is off.
_STOPPED: Final = "21610"
_DEAD: Final = frozenset({"21211", "21614", "30005", "30006"})
_AWAY: Final = frozenset({"30003"})
# Twilio writes channels before addresses (whatsapp:+49…). What goes to a number as a text may reach it by RCS.
_RCS: Final = "rcs:"
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_RECIPIENT: Final = re.compile(r"(?:[a-z]+:)?\+?[0-9]{1,20}")


class TwilioInbound:
    """Callbacks of Twilio.

    Args:
        tokens: the account's auth token, and the one of before.
        keys: the shared key of webhook settings, and the one of before.
        account_sid: the account; empty where none is set.
    """

    def __init__(self, tokens: Secrets, keys: Secrets, account_sid: str = "") -> None:
        self._tokens = tokens
        self._keys = keys
        self._account_sid = account_sid

    def prove(self, callback: Callback, *, now: float) -> None:  # noqa: ARG002 - Twilio signs no time
        """Verify the signature over the configured address, with and without its port, and how it was cut.

        Raises:
            ForgedError: the signature does not fit, or is one of other fields than these, perhaps.
        """
        given, settings = callback.headers.get(_SIGNATURE, ""), callback.headers.get(_SETTINGS, "")
        secrets = tuple((self._keys if settings else self._tokens).each())
        if not given:
            raise ForgedError("missing", "x-twilio-signature is required")
        algorithm = _ALGORITHMS.get(_algorithm(settings).upper())
        if algorithm is None:
            raise ForgedError("algorithm", "the signature is made by an algorithm that is not known here")
        fields = _signed_fields(callback)
        signed = [(address + fields).encode("utf-8", "surrogatepass") for address in _addresses(callback)]
        wanted = [
            base64.b64encode(hmac.digest(secret.encode(), text, algorithm)) for secret in secrets for text in signed
        ]
        if not any_same([given], wanted):
            raise ForgedError("mismatch", "the signature does not fit this address, these fields and this secret")
        try:
            doubt = doubt_about(callback, self._account_sid)
        except UnreadableError:
            return  # it is kept as one that cannot be read
        if doubt is not None:
            raise ForgedError("ambiguous", doubt)

    def read(self, callback: Callback) -> Sequence[News]:
        """Read the one thing it says. Raises UnreadableError."""
        doubt = doubt_about(callback, self._account_sid)
        if doubt is not None:
            raise UnreadableError(doubt)
        fields = fields_of(callback)
        sid = fields["MessageSid"]
        if callback.part == "inbound":
            return [_answer(fields, sid)]
        event = word_of(fields.get("MessageStatus"))
        key = f"{sid} {event}"
        if event not in _STATES:
            return [OtherNews(key=key, event=event)]
        code = str(fields.get("ErrorCode") or "")
        return [
            MessageNews(
                key=key,
                event=event,
                state=_STATES[event],
                message_id=own_id(dict(parse_qsl(callback.query)).get(OWN_ID)),
                provider_message_id=sid,
                recipient=_recipient(text_of(fields.get("To"))),
                stops=_stops(code),
                code=f"twilio_{code}" if code.isalnum() else None,
                words=words_of(fields.get("ErrorMessage")),
            )
        ]


def _stops(code: str) -> Any:
    if code == _STOPPED:
        return "stopped"
    return "bounced" if code in _DEAD else "bounced_softly" if code in _AWAY else None


def _answer(fields: Mapping[str, Any], sid: str) -> News:
    """What a text to us wants: where Twilio does not say so itself, one that is such a word and nothing else."""
    wish = wish_in(fields)
    if wish is None:
        return OtherNews(key=f"{sid} received", event="received")
    sender = _number(text_of(fields.get("From")) or "")
    if sender is None:
        reason = "it did not come from a phone number by SMS or RCS, and nothing is sent by other channels here"
        return OtherNews(key=f"{sid} received", event=wish, reason=reason)
    return AddressNews(key=f"{sid} received", event=wish, channel="sms", recipient=sender, wants=wish == "start")


def _number(sender: str) -> str | None:
    """The phone number of a sender; None of one that is none, or writes by WhatsApp, Messenger or the like."""
    number = sender[len(_RCS) :] if sender.lower().startswith(_RCS) else sender
    return number if _E164.fullmatch(number) else None


def _recipient(said: str | None) -> str | None:
    """A phone number, short code or address of a channel; None of anything else."""
    return said if said is not None and _RECIPIENT.fullmatch(said) else None


def _algorithm(settings: str) -> str:
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip()
    return _USUAL


def _addresses(callback: Callback) -> Sequence[str]:
    """The configured address with its query, with a port and without: either may have been signed."""
    address = f"{callback.address}?{callback.query}" if callback.query else callback.address
    parts = urlsplit(address)
    bare = parts._replace(netloc=_host(parts)).geturl()
    port = parts.port or _PORTS.get(parts.scheme, 80)
    return (bare, parts._replace(netloc=f"{_host(parts)}:{port}").geturl())


def _host(parts: SplitResult) -> str:
    if parts.port is None:
        return parts.netloc
    return parts.netloc.rpartition(":")[0]


def _signed_fields(callback: Callback) -> str:
    """What is signed behind the address: of a form, its fields in order; of anything else, the hash in the address."""
    hashed = parse_qs(callback.query).get(BODY_HASH)
    if hashed and not is_form(callback):
        if not same(hashlib.sha256(callback.body).hexdigest(), hashed[0].lower()):
            raise ForgedError("mismatch", "the body is not the one whose hash was signed")
        return ""
    if not is_form(callback):
        raise ForgedError(
            "missing", f"a body that is no form is signed by {BODY_HASH} in the address, which is missing"
        )
    try:
        pairs = pairs_of(callback)
    except UnreadableError:
        raise ForgedError("malformed", "the body is no form") from None
    # A field that comes twice with one value counts once, as in Twilio's own validators.
    return "".join(name + value for name, value in sorted(set(pairs)))


def _build(settings: Settings) -> TwilioInbound:
    given, twilio = settings.webhooks, settings.sms.twilio
    return TwilioInbound(
        Secrets("TWILIO_AUTH_TOKEN", twilio.auth_token, given.twilio_previous_token),
        Secrets("TWILIO_WEBHOOK_KEY", given.twilio_key, given.twilio_previous_key),
        twilio.account_sid,
    )


INBOUND: Final = InboundType("twilio", _build, parts=("status", "inbound"), keeps=("content-type",))
