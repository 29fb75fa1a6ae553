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
    "unknown_field": "There is no field by this name here.",
    "wrong_type": "It is of another type, such as a number where a string belongs.",
    "too_short": "The text is too short.",
    "too_long": "The text is too long.",
    "too_few_items": "The list has too few items.",
    "too_many_items": "The list has too many items.",
    "too_small": "The number is too small.",
    "too_large": "The number is too large.",
    "pattern": "The text does not have the form that is asked for.",
    "malformed": "It cannot be read as what it should be: a UUID, a time, an address, JSON.",
    "unknown_value": "It is none of the values that are accepted here.",
    "invalid_characters": "It holds what no text may hold: NUL, half a surrogate pair, bytes that are not UTF-8.",
    "too_deep": "It nests too deep.",
    "repeated": "It comes twice.",
    "conflicting_fields": "Fields exclude each other, or belong together: send one of them, or both.",
    "unsupported": "It is of a media type or an encoding that is not accepted.",
    "invalid": "It breaks another rule, which the message tells.",
    "out_of_range": "The moment or the span of time lies outside what is allowed.",
    "common": "The password is one that many people use.",
    "personal": "The password is made of your name, your address or ours.",
    "wrong": "It is not the right password.",
    "taken": "Somebody or something else has it already.",
    "not_found": "There is nothing that it names.",
    "forbidden": "It names what this caller may not act for.",
    "unchanged": "It is what is there already.",
    "missing": "A header of the signature is missing.",
    "unknown": "The key is unknown, revoked or expired.",
    "stale": "The timestamp is too far from now.",
    "mismatch": "The signature is not that of this request under this key.",
    "signature": "The token is forged, altered, or signed by a key that is not ours.",
    "expired": "It was good once, and has expired.",
    "claims": "The token is genuine, but meant for elsewhere, or not in force yet.",
    "revoked": "It was good once, and has been ended.",
    "ambiguous": "There are several credentials, and one is wanted.",
    "replayed": "It was used before, and can be used once.",
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
