"""What providers send back afterwards, signed as they sign it.

callback = resend_event("http://127.0.0.1:3000/v1/webhooks/resend", "email.bounced", email_id=…, secret="whsec_…")
httpx.post(callback.url, content=callback.body, headers=callback.headers)
"""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from singr_config.clock import clock

__all__ = ["BOUNCES", "SignedCallback", "resend_event", "twilio_callback", "twilio_signature"]

BOUNCES: Final[Mapping[str, Mapping[str, str]]] = {
    "hard": {
        "type": "Permanent",
        "subType": "General",
        "message": "The recipient's email provider sent a hard bounce message: 550 5.1.1 the address does not exist.",
    },
    "soft": {
        "type": "Transient",
        "subType": "MailboxFull",
        "message": "The recipient's email provider sent a bounce message because the recipient's inbox was full.",
    },
}
"""What Resend says of a bounce (https://resend.com/docs/dashboard/emails/email-bounces)."""


class SignedCallback(msgspec.Struct, frozen=True):
    """A request that a provider makes.

    Attributes:
        url: the address that it was configured with, which some sign.
        body: as it is sent.
        headers: the signature among them.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]


def resend_event(
    url: str,
    event: str,
    *,
    email_id: str,
    sender: str,
    to: str,
    subject: str,
    secret: str,
    tags: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> SignedCallback:
    """An event of Resend (https://resend.com/docs/webhooks/event-types), signed by Standard Webhooks.

    Args:
        url: of the webhook.
        event: such as `email.bounced`.
        email_id: Resend's id of the mail.
        sender: the From mailbox.
        to: the only recipient.
        subject: of the mail.
        secret: the webhook's, `whsec_…`.
        tags: of the mail.
        more: what the event has beside that, such as `{"bounce": BOUNCES["hard"]}`.
    """
    now = clock.time()
    said = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    mail = {"created_at": said, "email_id": email_id, "from": sender, "to": [to], "subject": subject}
    data = {**mail, "tags": dict(tags or {}), **(more or {})}
    body = msgspec.json.encode({"type": event, "created_at": said, "data": data})
    identity, stamp = f"msg_{uuid.uuid4().hex}", str(int(now))
    text = secret.removeprefix("whsec_").rstrip("=")
    key = base64.b64decode(text + "=" * (-len(text) % 4))
    signature = base64.b64encode(hmac.digest(key, f"{identity}.{stamp}.".encode() + body, "sha256")).decode()
    headers = {"svix-id": identity, "svix-timestamp": stamp, "svix-signature": f"v1,{signature}"}
    return SignedCallback(url, body, {"content-type": "application/json", **headers})


def twilio_callback(url: str, fields: Mapping[str, str], *, auth_token: str) -> SignedCallback:
    """A callback of Twilio, about a message's status or with a text that somebody sent."""
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": twilio_signature(auth_token, url, fields),
    }
    return SignedCallback(url, urlencode(fields).encode(), headers)


def twilio_signature(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """The `X-Twilio-Signature` of a callback: base64 of HMAC-SHA1 over the URL and the sorted fields."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()
