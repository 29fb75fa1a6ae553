"""Resend's webhooks (https://resend.com/docs/webhooks/introduction): Standard Webhooks, with `svix-` headers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from singr_comms.inbound._callback import (
    Callback,
    InboundType,
    MessageNews,
    News,
    OtherNews,
    Secrets,
    UnreadableError,
    decoded,
    digest,
    moment,
    own_id,
    text_of,
    word_of,
    words_of,
)
from singr_comms.inbound._dead import says_dead
from singr_comms.inbound._standard import prove_standard
from singr_config import Settings

TAG: Final = "message_id"
"""The name of the tag that carries our own id."""
_STATES: Final[dict[str, Any]] = {
    "email.sent": "sent",
    "email.delivered": "delivered",
    "email.bounced": "bounced",
    "email.failed": "bounced",
    "email.suppressed": "bounced",  # it is on Resend's list: it bounced, complained, or somebody put it there
    "email.complained": "complained",
    "email.delivery_delayed": None,
}
_HARD: Final = "permanent"
_SOFT: Final = "transient"


class ResendInbound:
    """Events of Resend, one a request.

    Args:
        secrets: the signing secret (`whsec_…`), and the one of before.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def prove(self, callback: Callback, *, now: float) -> None:
        """Verify the signature. Raises ForgedError."""
        prove_standard(callback.headers, callback.body, self._secrets, now=now)

    def read(self, callback: Callback) -> Sequence[News]:
        """Read the event. Raises UnreadableError."""
        body = decoded(callback.body)
        if not isinstance(body, dict):
            raise UnreadableError("the body is no object")
        # With its length: no other provider's key, and none of another event, reads the same.
        key = digest((callback.headers.get("svix-id") or callback.headers.get("webhook-id") or "").encode())
        event, data = word_of(body.get("type")), _mapping(body.get("data"))
        if event not in _STATES:
            return [OtherNews(key=key, event=event)]
        bounce = _mapping(data.get("bounce"))
        failed = _mapping(data.get("failed"))
        named = _named(data.get("to"))
        return [
            MessageNews(
                key=key,
                event=event,
                state=_STATES[event],
                message_id=own_id(_tag(data.get("tags"))),
                provider_message_id=text_of(data.get("email_id")),
                recipient=named[0] if len(named) == 1 else None,
                recipients=named if len(named) > 1 else (),
                occurred_at=moment(body.get("created_at")),
                stops=_stops(event, bounce),
                code=f"resend_{event.partition('.')[2]}" if _STATES[event] in {"bounced", "complained"} else None,
                words=words_of(
                    bounce.get("subType"),
                    bounce.get("message"),
                    failed.get("reason"),
                    _mapping(data.get("suppressed")).get("message"),
                ),
            )
        ]


def _stops(event: str, bounce: Mapping[str, Any]) -> Any:
    if event == "email.complained":
        return "complained"
    if event == "email.suppressed":
        return "refused"
    kind = str(bounce.get("type", "")).lower() if event == "email.bounced" else ""
    if kind == _HARD:
        # Its subtypes are General, or that Resend has it on a list: neither says whether there is such a mailbox.
        return "bounced" if says_dead(bounce.get("diagnosticCode"), bounce.get("message")) else "refused"
    return "bounced_softly" if kind == _SOFT else None


def _named(recipients: object) -> tuple[str, ...]:
    listed = recipients if isinstance(recipients, list) else [recipients]
    return tuple(one for one in map(text_of, listed) if one is not None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tag(tags: object) -> object:
    """Our tag: in webhooks an object of names and values; in the API's other answers an array of both."""
    if isinstance(tags, list):
        return next((one.get("value") for one in tags if isinstance(one, dict) and one.get("name") == TAG), None)
    return _mapping(tags).get(TAG)


def _build(settings: Settings) -> ResendInbound:
    given = settings.webhooks
    return ResendInbound(Secrets("RESEND_WEBHOOK_SECRET", given.resend_secret, given.resend_previous))


INBOUND: Final = InboundType("resend", _build, keeps=("svix-id", "webhook-id"))
