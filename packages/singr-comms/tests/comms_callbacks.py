"""Callbacks as providers send them, signed by their own rules."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from singr_comms.inbound import Callback, Doors
from singr_config import Settings, load_settings

MAILJET_SECRET = "a-secret-of-mailjet-0123456789"
RESEND_SECRET = "whsec_" + base64.b64encode(b"resend" * 4).decode()
STRIPE_SECRET = "whsec_stripe0123456789"
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"
TWILIO_KEY = "shared-key-of-twilio"
ADDRESS = "https://api.singr.example"
SECRETS = {
    "MAILJET_WEBHOOK_SECRET": MAILJET_SECRET,
    "RESEND_WEBHOOK_SECRET": RESEND_SECRET,
    "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
    "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
    "TWILIO_WEBHOOK_KEY": TWILIO_KEY,
    "APP_URL_API": ADDRESS,
}


def sid(name: object) -> str:
    """A SID as Twilio writes them, always the same of a name."""
    return f"SM{hashlib.md5(str(name).encode(), usedforsecurity=False).hexdigest()}"


def settings(**changes: str) -> Settings:
    """Settings with a secret for each provider."""
    return load_settings({"APP_ENV": "test"} | SECRETS | changes, env_file=None)


def doors(**changes: str) -> Doors:
    """The doors with those secrets."""
    return Doors(settings(**changes))


def mailjet(events: object, *, secret: str = MAILJET_SECRET) -> Callback:
    return Callback(body=json.dumps(events).encode(), part=secret)


def resend(event: object, *, event_id: str, at: float, secret: str = RESEND_SECRET, names: str = "svix") -> Callback:
    body, stamp = json.dumps(event), str(int(at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{event_id}.{stamp}.{body}".encode(), "sha256")).decode()
    headers = {f"{names}-id": event_id, f"{names}-timestamp": stamp, f"{names}-signature": f"v1,{signature}"}
    return Callback(body=body.encode(), headers=headers)


def stripe(event: object, *, at: float, secret: str = STRIPE_SECRET) -> Callback:
    body, stamp = json.dumps(event), str(int(at))
    signature = hmac.digest(secret.encode(), f"{stamp}.{body}".encode(), "sha256").hex()
    return Callback(body=body.encode(), headers={"stripe-signature": f"t={stamp},v1={signature}"})


def twilio(
    fields: Mapping[str, str] | Sequence[tuple[str, str]],
    *,
    part: str = "status",
    query: str = "",
    secret: str = TWILIO_TOKEN,
    address: str = ADDRESS,
    settings: str = "",
) -> Callback:
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    url = f"{address}/v1/webhooks/twilio/{part}" + (f"?{query}" if query else "")
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    algorithm = hashlib.sha256 if "SHA256" in settings else hashlib.sha1
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), algorithm).digest()).decode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    if settings:
        headers["x-twilio-webhooks-signature-settings"] = settings
    return Callback(body=urlencode(pairs).encode(), part=part, query=query, headers=headers)


def json_twilio(body: object, *, part: str = "status", secret: str = TWILIO_TOKEN, **changes: Any) -> Callback:
    raw = json.dumps(body).encode()
    query = f"bodySHA256={hashlib.sha256(raw).hexdigest()}"
    url = f"{ADDRESS}/v1/webhooks/twilio/{part}?{query}"
    signature = base64.b64encode(hmac.new(secret.encode(), url.encode(), hashlib.sha1).digest()).decode()
    headers = {"content-type": "application/json", "x-twilio-signature": signature}
    return Callback(body=changes.get("body", raw), part=part, query=query, headers=headers)
