"""What must never reach a log, an error report or a span: hidden by key and by pattern.

The common record carries nothing secret, so the way through for a safe value is a set look-up or a few substring
tests; regular expressions run only on text that shows a trigger. Every expression is linear in its input.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Final
from uuid import UUID

import msgspec

from singr_observability.redaction._masks import mask_email, mask_phone

REDACTED: Final = "[REDACTED]"

REDACTED_KEYS: Final[frozenset[str]] = frozenset(
    {
        "password", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "tokens", "jwt", "hash", "hashes",
        "authorization", "cookie", "cookies", "signature", "credential", "credentials", "apikey", "otp",
        "totp", "pin", "dsn", "canary", "csrf", "nonce", "ssn",
        "api_key", "private_key", "secret_key", "signing_key", "access_key", "encryption_key", "auth_key",
        "verification_code", "factor_code", "backup_code", "backup_codes", "recovery_code", "recovery_codes",
        "login_code", "auth_code", "authorization_code", "reset_code", "sms_code", "email_code",
        "magic_link", "reset_link", "verification_link", "invitation_link", "database_url", "redis_url",
        "query_string", "card_number", "cvc", "iban",
    }
)  # fmt: skip
"""Names whose value is hidden. A key is hidden when it, or a run of one or two of its words, is one of these:
`stripeSecretKey`, `x-api-key` and `new_password` are, `key_id`, `idempotency_key` and `tokenizer` are not."""

_EMAIL_WORDS: Final = frozenset({"email", "emails", "mail", "recipient", "recipients"})
_PHONE_WORDS: Final = frozenset({"phone", "phones", "mobile", "msisdn", "telephone"})
_MAX_TEXT: Final = 32_768
_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 200
_CACHE_SIZE: Final = 4096
_CACHED_LENGTH: Final = 80

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Nothing made only of these characters can match a pattern below: a JWT needs "J", a key "_", a phone number "+".
_PLAIN = re.compile(r"[A-IK-Za-z0-9./-]*").fullmatch

_HIDDEN_NAME = (
    r"[\w-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|signing[_-]?key|access[_-]?key"
    r"|signature|cookie|credential|otp|canary|(?:verification|factor|backup|recovery|login|auth|reset)[_-]?code)s?"
)
_AUTHORIZATION = re.compile(r"(?i)(authorization[\"']?\s{0,4}[:=,]\s{0,4}[\"']?)[^\r\n\"']+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}")
# The secrets of webhooks are base64, or another alphabet.
_PROVIDER_KEY = re.compile(r"\b(?:(?:(?:sk|rk|pk)_(?:live|test)|re)_[A-Za-z0-9_-]{6,}|whsec_[A-Za-z0-9+/=_-]{6,})")
_URL_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#\"'<>@:]{0,256}(?::[^\s\"'<>]{0,256})?@")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
_PASSWORD_HASH = re.compile(r"\$(?:argon2(?:id|i|d)|2[abxy]|scrypt|pbkdf2[\w-]*|6|5)\$[^\s\"';]+")
_SIGNATURE = re.compile(r"\bv1=[0-9a-fA-F]{32,}")
_ASSIGNMENT = re.compile(
    rf"(?i)(?<![\w-])({_HIDDEN_NAME}\\?[\"']?\s{{0,4}}(?:=>|[:=])\s{{0,4}})"
    r"(\[REDACTED\]|\\+[\"'](?:[^\"'\\]|\\(?![\"']))*|b?\"(?:[^\"\\]|\\.)*\"?|b?'(?:[^'\\]|\\.)*'?|[^\s&\"',;)}\]]+)"
)
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@[\w-]{1,63}(?:\.[\w-]{1,63})*")
_PHONE = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)")
_ASSIGNED_WORDS = (
    "pass", "pwd", "secret", "token", "key", "signature", "cookie", "credential", "otp", "canary", "code",
)  # fmt: skip

_Replacement = str | Callable[[re.Match[str]], str]
_BY_CHARACTER: Final[tuple[tuple[str, re.Pattern[str], _Replacement], ...]] = (
    ("://", _URL_CREDENTIALS, f"{REDACTED}@"),  # before addresses: a password may hold an "@"
    ("@", _EMAIL, lambda found: mask_email(found[0])),
    ("+", _PHONE, lambda found: mask_phone(found[0])),
    ("eyJ", _JWT, REDACTED),
    ("_", _PROVIDER_KEY, REDACTED),
    ("$", _PASSWORD_HASH, REDACTED),
    ("-----BEGIN", _PEM, REDACTED),
    ("v1=", _SIGNATURE, f"v1={REDACTED}"),
)

_safe_texts: set[str] = set()
_key_kinds: dict[str, int] = {}
UNTOUCHED_TYPES: Final[frozenset[type]] = frozenset(
    {type(None), bool, int, float, UUID, datetime, date, time, timedelta, Decimal}
)
_OPEN, _SECRET, _EMAIL_KIND, _PHONE_KIND = 0, 1, 2, 3


def redact_text(text: str) -> str:
    """Return `text` with secrets replaced by `[REDACTED]`, and addresses and phone numbers masked.

    Hidden: bearer and basic credentials, authorization headers, JWTs, `sk_live_…`-like keys, private keys in PEM,
    password hashes, request signatures, credentials in URLs, and whatever follows `token=`, `password:` and their
    like. Text past 32,768 characters is cut.
    """
    if text in _safe_texts:
        return text
    if len(text) > _CACHED_LENGTH:
        return _redacted(text)
    cleaned = text if _PLAIN(text) else _redacted(text)
    if cleaned == text:
        # Only text known to be harmless is remembered, so that the memory of this process keeps no secret.
        if len(_safe_texts) >= _CACHE_SIZE:
            _safe_texts.clear()
        _safe_texts.add(text)
    return cleaned


def are_safe(values: Iterable[object]) -> bool:
    """Tell whether all values are known to hold no secret; False where it takes a closer look."""
    for value in values:
        kind = type(value)
        if kind not in UNTOUCHED_TYPES and (kind is not str or value not in _safe_texts):
            return False
    return True


def _redacted(text: str) -> str:
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…[cut]"
    for trigger, pattern, replacement in _BY_CHARACTER:
        if trigger in text:
            text = pattern.sub(replacement, text)
    lowered = text.lower()
    if "authorization" in lowered:
        text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
    if "bearer" in lowered or "basic" in lowered:
        text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    if (":" in text or "=" in text) and any(word in lowered for word in _ASSIGNED_WORDS):
        text = _ASSIGNMENT.sub(rf"\1{REDACTED}", text)
    return text


def _kind_of(key: str) -> int:
    kind = _key_kinds.get(key)
    if kind is None:
        kind = _classify(key)
        if len(_key_kinds) >= _CACHE_SIZE:
            _key_kinds.clear()
        _key_kinds[key] = kind
    return kind


def is_open_key(key: str) -> bool:
    """Tell whether values under this key are shown (text after redaction), not hidden or masked as a whole."""
    return _kind_of(key) == _OPEN


def _classify(key: str) -> int:
    words = [word.lower() for word in _WORD.findall(key)]
    if "".join(words) in REDACTED_KEYS or any(word in REDACTED_KEYS for word in words):
        return _SECRET
    if any(f"{first}_{second}" in REDACTED_KEYS for first, second in pairwise(words)):
        return _SECRET
    if (words and words[-1] in _EMAIL_WORDS) or words[-2:] == ["email", "address"]:
        return _EMAIL_KIND
    if words and (words[-1] in _PHONE_WORDS or words[-2:] == ["phone", "number"]):
        return _PHONE_KIND
    return _OPEN


def redact_item(key: str, value: object) -> object:
    """Return `value` as it may be shown under `key`."""
    kind = _key_kinds.get(key)
    if kind is None:
        kind = _kind_of(key)
    if kind == _OPEN:
        if type(value) is str:
            return value if value in _safe_texts else redact_text(value)
        return value if type(value) in UNTOUCHED_TYPES else _walk(value, 0)
    if value is None or isinstance(value, bool):
        return value
    if kind == _EMAIL_KIND and isinstance(value, str):
        return mask_email(value)
    if kind == _PHONE_KIND and isinstance(value, str):
        return mask_phone(value)
    return REDACTED


def redact(value: object) -> object:
    """Return a copy of `value` that is safe to show and that JSON can hold.

    Mappings, sequences, sets and msgspec structs are walked (8 levels, 200 items each); bytes become their length;
    an object of another kind becomes its redacted `str()`. Never raises.
    """
    return _walk(value, 0)


_INT64: Final = 2**63


def _walk(value: object, depth: int) -> object:
    kind = type(value)
    if kind in UNTOUCHED_TYPES:
        return value
    if kind is str:
        return redact_text(str(value))
    return _walk_rarer(value, depth)


def _walk_rarer(value: object, depth: int) -> object:
    if isinstance(value, Enum):
        return _walk(value.value, depth)
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, str):
        return redact_text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return "[too deep]" if depth >= _MAX_DEPTH else _walk_container(value, depth + 1)


def _walk_container(value: object, depth: int) -> object:
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name, None) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {
            redact_text(str(key)): redact_item(str(key), item)
            if not _is_container(item)
            else _walk_under(str(key), item, depth)
            for key, item in list(value.items())[:_MAX_ITEMS]
        }
    if isinstance(value, list | tuple | AbstractSet):
        return _walk_items(list(value)[:_MAX_ITEMS], depth)
    try:
        return redact_text(str(value))
    except Exception:  # noqa: BLE001 - a log line must not fail because an object cannot describe itself
        return f"<{type(value).__name__}>"


def _walk_items(items: list[object], depth: int) -> object:
    # Headers come as pairs; the first half names what the second holds.
    if len(items) == 2 and isinstance(items[0], str | bytes) and isinstance(items[1], str | bytes):  # noqa: PLR2004 - a pair
        name = items[0] if isinstance(items[0], str) else items[0].decode("latin-1")
        if _kind_of(name) == _SECRET:
            return [_walk(items[0], depth), REDACTED]
    return [_walk(item, depth) for item in items]


def _is_container(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple | AbstractSet | msgspec.Struct)


def _walk_under(key: str, value: object, depth: int) -> object:
    return _walk(value, depth) if _kind_of(key) != _SECRET else REDACTED


_LONG_RUN = re.compile(r"[A-Za-z0-9_=.~-]{32,}")
_MIXED = re.compile(r"(?=[^A-Za-z]*[A-Za-z])(?=[^0-9]*[0-9])")
_UUID_SEGMENT = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_PATH = 512
_safe_paths: set[str] = set()
_hidden_behind: dict[str, str] = {}
_known_segments = {"", ".", ".."}
_hidden_rest: re.Pattern[str] | None = None


def hide_behind(beginning: str, *, known: Iterable[str] = ()) -> None:
    """Have `redact_path` hide whatever follows this part of a path, whatever it looks like: for secrets in addresses.

    Args:
        beginning: such as `/hooks/shop/`. It is found anywhere in a path, in any case, with slashes doubled or dots
            between them, and each word with an `s` more or less, since an address that was configured a little wrong
            holds the secret all the same.
        known: segments that are no secrets, such as `status`: they stay, as UUIDs do.
    """
    global _hidden_rest  # noqa: PLW0603 - a process has one set of addresses
    words = (f"{re.escape(word.removesuffix('s'))}s?" for word in beginning.strip("/").split("/"))
    _hidden_behind[beginning] = r"/+(?:\./+)*".join(words)
    _known_segments.update(segment.lower() for segment in known)
    _hidden_rest = re.compile(rf"(?is)(/(?:{'|'.join(_hidden_behind.values())})/+)(.+)")
    _safe_paths.clear()


def redact_path(path: str) -> str:
    """Return a URL path for the access log: no query, and neither long runs that look drawn at random nor secrets.

    The places of other secrets are told by `hide_behind`.
    """
    if path in _safe_paths:
        return path
    shown = path.partition("?")[0]
    if _hidden_rest is not None:
        shown = _hidden_rest.sub(_known_rest, shown)
    shown = _LONG_RUN.sub(_redact_run, shown)[:_MAX_PATH]  # cut at last: half a token is not seen to be one
    shown = redact_text(shown)
    if shown == path:
        if len(_safe_paths) >= _CACHE_SIZE:
            _safe_paths.clear()
        _safe_paths.add(path)
    return shown


def _known_rest(found: re.Match[str]) -> str:
    shown: list[str] = []
    for segment in found[2].split("/"):
        if segment.lower() in _known_segments or _UUID_SEGMENT.fullmatch(segment):
            shown.append(segment)
        elif shown[-1:] != [REDACTED]:  # one for a secret with a slash in it
            shown.append(REDACTED)
    return found[1] + "/".join(shown)


def _redact_run(found: re.Match[str]) -> str:
    return REDACTED if _MIXED.match(found[0]) and not _UUID_SEGMENT.fullmatch(found[0]) else found[0]
