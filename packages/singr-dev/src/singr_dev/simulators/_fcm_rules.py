"""What FCM v1 demands of a message, and how it words its errors."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

Platform = Literal["android", "ios", "web"]
# A browser goes by the tag (https://developer.mozilla.org/docs/Web/API/Notification/tag): its topic replaces only what
# still waits at the push service (RFC 8030 5.4).
_TAGS: Final[Mapping[Platform, tuple[str, ...]]] = MappingProxyType(
    {
        "android": ("android", "notification", "tag"),
        "ios": ("apns", "headers", "apns-collapse-id"),
        "web": ("webpush", "notification", "tag"),
    }
)
PLATFORMS: Final = tuple(_TAGS)
"""What a device may be; each tells by a field of its own what replaces what."""
_LARGEST: Final = 4096
_LONGEST_COLLAPSE_ID: Final = 64
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
TOPIC: Final = re.compile(r"[a-zA-Z0-9_.~%-]{1,900}")
"""Names of FCM's own topics."""
_LONGEST_LIFE: Final = 28 * 86_400
_DURATION: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?s")
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_RESERVED: Final = re.compile(r"from|message_type|collapse_key|google.*|gcm.*")
# What is known of a message, level by level; a name that leads to None may hold anything of its own.
_TEXTS_OF_ANDROID: Final = ("title", "body", "icon", "color", "sound", "tag", "click_action", "channel_id", "image")
_KNOWN: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "token": str,
        "topic": str,
        "notification": dict.fromkeys(("title", "body", "image"), str),
        "data": None,
        "android": {
            **dict.fromkeys(("collapse_key", "priority", "ttl", "restricted_package_name"), str),
            "data": None,
            "notification": dict.fromkeys(_TEXTS_OF_ANDROID, str),
            "fcm_options": {"analytics_label": str},
        },
        "apns": {"headers": None, "payload": None, "fcm_options": {"analytics_label": str, "image": str}},
        "webpush": {
            **dict.fromkeys(("headers", "data", "notification"), None),
            "fcm_options": {"link": str, "analytics_label": str},
        },
        "fcm_options": {"analytics_label": str},
    }
)


def error(status: int, name: str, code: str | None, text: str, *, field: str = "") -> dict[str, Any]:
    """An error as FCM writes it: the code in its own detail, a field in another."""
    details: list[dict[str, Any]] = []
    if code is not None:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field:
        violation = {"field": field, "description": text}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    return {"error": {"code": status, "message": text, "status": name, "details": details}}


def problem(body: Any) -> dict[str, Any] | None:
    """What is wrong with a request; None where it can be sent."""
    if not isinstance(body, dict) or not body.keys() <= {"message", "validate_only"}:
        return _invalid("message", "Invalid JSON payload received.")
    message = body.get("message")
    if not isinstance(message, dict):
        return _invalid("message", "Invalid value at 'message'.")
    if found := _mistyped(message, _KNOWN, "message"):
        return _invalid(found, f"Invalid value at '{found}'.")
    if sum(bool(message.get(name)) for name in ("token", "topic")) != 1:
        return _invalid("message", "Recipient of the message is not set.")
    if message.get("topic") and not TOPIC.fullmatch(message["topic"]):
        return _invalid("message.topic", "Invalid topic name.")
    return next((_invalid(field, text) for wrong, field, text in _limits(message) if wrong), None)


def tag_of(message: Mapping[str, Any], platform: Platform) -> str | None:
    """By what a device tells that a message replaces another that it shows."""
    found: Any = message
    for name in _TAGS[platform]:
        found = found.get(name, {})
    return found or None


def _invalid(field: str, text: str) -> dict[str, Any]:
    return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", text, field=field)


def _mistyped(value: Mapping[str, Any], known: Mapping[str, Any], at: str) -> str | None:
    for name, held in value.items():
        path = f"{at}.{name}"
        if name not in known:
            return path
        kind = known[name]
        if kind is str and not isinstance(held, str):
            return path
        if isinstance(kind, Mapping):
            if not isinstance(held, dict):
                return path
            if found := _mistyped(held, kind, path):
                return found
    return None


def _limits(message: Mapping[str, Any]) -> tuple[tuple[bool, str, str], ...]:
    data, webpush = message.get("data", {}), message.get("webpush", {})
    apns = message.get("apns", {}).get("headers", {})
    sent = json.dumps(
        {name: held for name, held in message.items() if name not in {"token", "topic"}}, ensure_ascii=False
    )
    link = webpush.get("fcm_options", {}).get("link", "https://")
    strings = [*data.values(), *apns.values(), *webpush.get("headers", {}).values()]
    ttl, web_ttl = message.get("android", {}).get("ttl", "0s"), webpush.get("headers", {}).get("TTL", "0")
    return (
        (not all(isinstance(held, str) for held in strings), "message.data", "Invalid value (TYPE_STRING)"),
        (any(_RESERVED.fullmatch(name) for name in data), "message.data", "Invalid data payload key"),
        (len(sent.encode()) > _LARGEST, "message", "The message is too big"),
        (len(apns.get("apns-collapse-id", "")) > _LONGEST_COLLAPSE_ID, "message.apns.headers", "Invalid collapse id"),
        (
            not _TOPIC.fullmatch(webpush.get("headers", {}).get("Topic", "x")),
            "message.webpush.headers",
            "Invalid Topic header",
        ),
        (
            not _DURATION.fullmatch(ttl) or float(ttl[:-1]) > _LONGEST_LIFE,
            "message.android.ttl",
            f"Invalid value at 'message.android.ttl': must be a duration from 0 to {_LONGEST_LIFE} s",
        ),
        (
            not _SECONDS.fullmatch(web_ttl) or int(web_ttl) > _LONGEST_LIFE,
            "message.webpush.headers",
            "Invalid TTL header",
        ),
        (
            not _SECONDS.fullmatch(apns.get("apns-expiration", "0")),
            "message.apns.headers",
            "Invalid apns-expiration header",
        ),
        (not link.startswith("https://"), "message.webpush.fcm_options.link", "WebPush link must be an HTTPS URL"),
    )
