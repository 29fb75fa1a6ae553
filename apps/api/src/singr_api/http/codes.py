"""The stable words of `errors[]`: what is wrong with a field, for programs; `message` says it to people."""

from collections.abc import Mapping
from typing import Final, Literal

FieldCode = Literal[
    # form
    "required", "unknown_field", "wrong_type", "too_short", "too_long", "too_few_items", "too_many_items", "too_small",
    "too_large", "pattern", "malformed", "unknown_value", "invalid_characters", "too_deep", "repeated",
    "conflicting_fields", "unsupported", "invalid",
    # matter
    "out_of_range", "common", "personal", "wrong", "taken", "not_found", "forbidden", "unchanged",
    # credentials
    "missing", "unknown", "stale", "mismatch", "signature", "expired", "claims", "revoked", "ambiguous", "replayed",
    "key_reused", "in_progress", "cross_site",
]  # fmt: skip

FIELD_CODES: Final[Mapping[FieldCode, str]] = {
    "required": "It is missing.",
    "unknown_field": "There is no such field.",
    "wrong_type": "The value has the wrong type, such as a number instead of a string.",
    "too_short": "The text is too short.",
    "too_long": "The text is too long.",
    "too_few_items": "The list has too few items.",
    "too_many_items": "The list has too many items.",
    "too_small": "The number is too small.",
    "too_large": "The number is too large.",
    "pattern": "The text does not have the required form.",
    "malformed": "The value cannot be parsed as the expected format: a UUID, a time, an address, JSON.",
    "unknown_value": "The value is not one of the accepted ones.",
    "invalid_characters": "The text contains invalid characters: NUL, an unpaired surrogate, or bytes that are not"
    " UTF-8.",
    "too_deep": "The value is nested too deeply.",
    "repeated": "The value is given twice.",
    "conflicting_fields": "Some fields exclude or require each other: send only one of them, or both.",
    "unsupported": "The media type or encoding is not accepted.",
    "invalid": "Another rule is broken; the message says which.",
    "out_of_range": "The time or period is outside the allowed range.",
    "common": "The password is one that many people use.",
    "personal": "The password is made of your name, your address or ours.",
    "wrong": "The password is wrong.",
    "taken": "The value is already in use.",
    "not_found": "What it refers to does not exist.",
    "forbidden": "It refers to something this caller has no access to.",
    "unchanged": "The value is the same as before.",
    "missing": "A header of the signature is missing.",
    "unknown": "The key is unknown, revoked or expired.",
    "stale": "The timestamp is too far from the current time.",
    "mismatch": "The signature does not match this request and key.",
    "signature": "The token is forged, altered, or signed by a key that is not ours.",
    "expired": "It has expired.",
    "claims": "The token is genuine, but meant for another service, or not valid yet.",
    "revoked": "It has been revoked.",
    "ambiguous": "Several credentials were sent where one is expected.",
    "replayed": "It was used before, and can be used only once.",
    "key_reused": "The idempotency key belongs to another request.",
    "in_progress": "The first request with this idempotency key has no answer yet.",
    "cross_site": "The request may come from another site's page.",
}
"""Every code with what it says. New ones may come; one that is here keeps its meaning."""


class RuleError(ValueError):
    """A struct's own rule, beyond types and bounds, is broken: raised by `__post_init__`.

    Attributes:
        code: what `errors[]` tells programs.
    """

    def __init__(self, code: FieldCode, message: str) -> None:
        super().__init__(message)
        self.code: FieldCode = code
