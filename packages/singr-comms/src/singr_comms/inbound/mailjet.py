"""Mailjet's Event API (https://dev.mailjet.com/email/guides/webhooks/).

Mailjet signs nothing. What proves a callback is a secret that stands in the address it is configured with: as the last
part of the path, or as the password of basic authentication.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from singr_comms.inbound._callback import (
    Callback,
    ForgedError,
    InboundType,
    MessageNews,
    News,
    OtherNews,
    Secrets,
    UnreadableError,
    any_same,
    decoded,
    decoded_each,
    digest,
    moment,
    own_id,
    text_of,
    word_of,
    words_of,
)
from singr_config import Settings

_MOST_EVENTS: Final = 10_000
_RECIPIENT: Final = "recipient"
_DEAD: Final = ("user unknown", "mailbox inactive")
"""Of https://dev.mailjet.com/email/guides/webhooks/#possible-values-for-errors, what says there is no such mailbox."""


class MailjetInbound:
    """Events of Mailjet: one object, or an array of them where events are grouped.

    Args:
        secrets: the one in the address, and the one of before.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def prove(self, callback: Callback, *, now: float) -> None:  # noqa: ARG002 - of signatures, which Mailjet has none of
        """Compare the secret. Raises ForgedError."""
        wanted = tuple(self._secrets.each())
        given = callback.part or _password(callback.headers.get("authorization", ""))
        if not given:
            raise ForgedError("missing", "the address has no secret: /v1/webhooks/mailjet/SECRET, or basic auth")
        if not any_same([given], wanted):
            raise ForgedError("mismatch", "the secret in the address is not the one that is set here")

    def read(self, callback: Callback) -> Sequence[News]:
        """Read each event, however many there are, up to one that cannot be read. Raises UnreadableError.

        Mailjet never sends again what was answered: where the rest is no JSON, it is kept as one that is not known.
        """
        rest = b""
        try:
            body = decoded(callback.body)
            events = body if isinstance(body, list) else [body]
        except UnreadableError:
            events, rest = decoded_each(callback.body)
            if not events:
                raise
        if len(events) > _MOST_EVENTS:
            raise UnreadableError("more events than a body of 1 MiB should hold")
        news = [_news(event) for event in events]
        return [*news, OtherNews(key=digest(rest), event="unreadable")] if rest else news


def _password(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _news(event: object) -> News:
    fields: Mapping[str, Any] = event if isinstance(event, dict) else {}
    name = word_of(fields.get("event"))
    parts = (fields.get(field) for field in ("event", "time", "MessageID", "email"))
    key = digest(*(repr(part).encode("utf-8", "surrogatepass") for part in parts))
    told = _TOLD.get(name)
    if told is None:
        return OtherNews(key=key, event=name)
    state, stops = told(fields)
    return MessageNews(
        key=key,
        event=name,
        state=state,
        message_id=own_id(fields.get("CustomID")),
        provider_message_id=text_of(fields.get("MessageID")),
        recipient=text_of(fields.get("email")),
        occurred_at=moment(fields.get("time")),
        stops=stops,
        code=f"mailjet_{name}" if state in {"bounced", "complained"} else None,
        words=words_of(fields.get("error_related_to"), fields.get("error"), fields.get("comment")),
    )


def _bounce(fields: Mapping[str, Any]) -> tuple[Any, Any]:
    # `blocked` is of a bounce that Mailjet will not try again for a while; `hard_bounce` may be for what was sent, too.
    if fields.get("hard_bounce") is not True:
        return "bounced", "bounced_softly"
    about = str(fields.get("error_related_to") or _RECIPIENT).lower()
    return "bounced", "bounced" if about == _RECIPIENT and fields.get("error") in _DEAD else "refused"


_TOLD: Final[dict[str, Any]] = {
    "sent": lambda _: ("delivered", None),  # Mailjet says so once the recipient's server took it
    "bounce": _bounce,
    "blocked": lambda _: ("bounced", None),
    "spam": lambda _: ("complained", "complained"),
    "unsub": lambda _: (None, "unsubscribed"),
}


def _build(settings: Settings) -> MailjetInbound:
    given = settings.webhooks
    return MailjetInbound(Secrets("MAILJET_WEBHOOK_SECRET", given.mailjet_secret, given.mailjet_previous))


INBOUND: Final = InboundType("mailjet", _build, parts=("", "*"))
