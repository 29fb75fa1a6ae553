"""What every callback is: a request, the rule by which its provider proves it, and the news that it brings."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from singr_comms._errors import CommsError
from singr_comms._masking import scrub, storable_code, storable_id
from singr_config import Secret, Settings

TOLERANCE: Final = 300.0
"""Seconds by which a signed time may lie before or after ours."""
_EARLIEST: Final = 946_684_800  # 2000: no provider reports of before
_LATEST: Final = 7_258_118_400  # 2200
_MOST_DIGITS: Final = 40
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class ForgedError(CommsError):
    """Nothing proves that the provider sent this: a secret, signature or time that does not fit, or none.

    Args:
        code: stable and short, such as `mismatch`.
        message: for people, without what was sent.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UnreadableError(CommsError, ValueError):
    """The provider sent it, and it is not what its documentation says."""


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came.

    Args:
        part: of the path, what follows the provider's name: `status` of `/v1/webhooks/twilio/status`, or a secret.
        query: as on the request line, without its question mark.
        headers: by lower-case name.
        body: raw.
        address: scheme, host and path as they are configured at the provider, without query.
    """

    body: bytes
    part: str = ""
    query: str = ""
    headers: Mapping[str, str] = {}
    address: str = ""


State: TypeAlias = Literal["sent", "delivered", "bounced", "complained"]


class MessageNews(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """What became of a message.

    Args:
        key: the same for every copy of these news, and for no others of the provider.
        event: the provider's own word.
        state: what the message is by it; None where it stays as it is.
        message_id: our own id, where the callback carries it.
        provider_message_id: the provider's.
        recipient: the address.
        recipients: all that it names, where they are several.
        occurred_at: by the provider's clock.
        stops: why the address gets nothing more, or perhaps: a soft bounce counts towards it. `bounced`: the mailbox
            does not exist. `refused`: it may, and this message, or this sender, was turned away for good.
        code: why it did not arrive, short and stable.
        words: the same for people, without addresses.
    """

    key: str
    event: str
    state: State | None = None
    message_id: UUID | None = None
    provider_message_id: str | None = None
    recipient: str | None = None
    recipients: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    stops: Literal["bounced", "bounced_softly", "refused", "complained", "stopped", "unsubscribed"] | None = None
    code: str | None = None
    words: str | None = None


class AddressNews(msgspec.Struct, frozen=True, kw_only=True, tag="address"):
    """What somebody wants who answered: no more of it, or messages again."""

    key: str
    event: str
    channel: str
    recipient: str
    wants: bool


class ObjectNews(msgspec.Struct, frozen=True, kw_only=True, tag="object"):
    """A hint that something at the provider changed; what it is now, one asks the provider.

    Args:
        key: as of `MessageNews`.
        event: the provider's own word.
        object: what kind of thing.
        object_id: which, by the provider's id.
        occurred_at: by the provider's clock.
        shown: the thing as it was then, where the callback shows it whole.
    """

    key: str
    event: str
    object: str
    object_id: str
    occurred_at: datetime | None = None
    shown: Mapping[str, Any] | None = None


class OtherNews(msgspec.Struct, frozen=True, kw_only=True, tag="other"):
    """What concerns nothing here, or what this version does not know. Kept and counted, and nothing comes of it.

    Args:
        key: as of `MessageNews`.
        event: the provider's own word.
        reason: why nothing comes of what is known.
    """

    key: str
    event: str
    reason: str | None = None


News: TypeAlias = MessageNews | AddressNews | ObjectNews | OtherNews


class Inbound(Protocol):
    """How one provider's callbacks are proved and read, with its secrets."""

    def prove(self, callback: Callback, *, now: float) -> None:
        """Return where the provider sent this.

        Args:
            callback: as it came.
            now: Unix time.

        Raises:
            ForgedError: it did not.
        """

    def read(self, callback: Callback) -> Sequence[News]:
        """Read a callback that was proved.

        Raises:
            UnreadableError: it is not what the provider documents.
        """


@dataclass(frozen=True, slots=True)
class InboundType:
    """A provider's callbacks. A plainly named module of this package declares them as `INBOUND`, listed nowhere else.

    Args:
        name: first part of the path behind `/v1/webhooks/`.
        parts: what may follow it; `*` is anything, as where it is a secret.
        keeps: the headers that are stored with the body, since `read` needs them.
        build: from all settings; calls nobody.
    """

    name: str
    build: Callable[[Settings], Inbound]
    parts: tuple[str, ...] = ("",)
    keeps: tuple[str, ...] = ()


class Secrets:
    """A secret that may be one of two while it is being changed: the current one, and the one of before.

    Raises:
        ForgedError: by `each`, where none is set.
    """

    def __init__(self, name: str, *secrets: Secret) -> None:
        self._name = name
        self._secrets = tuple(secret for secret in secrets if secret)

    def each(self) -> Iterator[str]:
        """The secrets in the clear, the current one first."""
        if not self._secrets:
            raise ForgedError("closed", f"{self._name} is not set here, so that nothing can be proved")
        return (secret.reveal() for secret in self._secrets)


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def any_same(given: Iterable[str], wanted: Iterable[str | bytes]) -> bool:
    """Whether one of those that were given is one of those that are right."""
    sent = tuple(given)
    return any(same(one, right) for right in wanted for one in sent)


def check_time(stamp: str, now: float) -> None:
    """Return where a signed Unix time is near enough.

    Raises:
        ForgedError: it is no time, or more than `TOLERANCE` before or after now.
    """
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):  # noqa: PLR2004 - year 31,688
        raise ForgedError("malformed", "the signed time is no Unix time")
    if abs(now - int(stamp)) > TOLERANCE:
        raise ForgedError("stale", f"the signed time lies more than {TOLERANCE:.0f} seconds from now")


def moment(seconds: object) -> datetime | None:
    """A Unix time, or a time as RFC 3339 writes it; None for anything else."""
    if isinstance(seconds, bool):
        return None
    if isinstance(seconds, int | float):
        return datetime.fromtimestamp(seconds, UTC) if _EARLIEST <= seconds <= _LATEST else None
    if not isinstance(seconds, str):
        return None
    try:
        read = datetime.fromisoformat(seconds[:64])
    except ValueError:
        return None
    whole = read if read.tzinfo else read.replace(tzinfo=UTC)
    return whole if _EARLIEST <= whole.timestamp() <= _LATEST else None


def own_id(said: object) -> UUID | None:
    """Our own id of a message, as providers carry it: 32 hexadecimal digits, with hyphens or without."""
    try:
        return UUID(said) if isinstance(said, str) and len(said) <= 36 else None  # noqa: PLR2004 - with hyphens
    except ValueError:
        return None


def text_of(value: object) -> str | None:
    """A provider's id or address as it can be kept; None where there is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return storable_id(str(value).strip())


def word_of(value: object) -> str:
    """A provider's own word for what happened, as a token."""
    return storable_code(value) if isinstance(value, str) and value else "unknown"


def words_of(*values: object) -> str | None:
    """What a provider says about it, fit to be kept; None where it says nothing."""
    said = ": ".join(str(value) for value in values if isinstance(value, str) and value.strip())
    return scrub(said) or None


def decoded(body: bytes) -> Any:
    """The JSON of a body, with what no text or number can hold (half a character, 5,000 digits) left out of it.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        values, rest = decoded_each(body, of_array=False)
    if rest or len(values) != 1:
        raise UnreadableError("the body is no JSON")
    return values[0]


def decoded_each(body: bytes, *, of_array: bool = True) -> tuple[list[Any], bytes]:
    """The values of a JSON array one by one, as far as they can be read; and the rest, from the first that cannot.

    A body that is no array is one value.
    """
    text = body.decode("utf-8", "replace")
    at = _skip(text, 0)
    inside = of_array and text[at : at + 1] == "["
    at, values = _skip(text, at + 1) if inside else at, []
    while not (inside and text[at : at + 1] == "]"):
        try:
            value, end = _LENIENT.raw_decode(text, at)
            values.append(_whole(value))
        except (ValueError, RecursionError):
            return values, text[at:].encode("utf-8", "surrogatepass")
        at = _skip(text, end)
        if not inside:
            return values, text[at:].encode()
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            return values, text[at:].encode() or b"]"
    return values, text[_skip(text, at + 1) :].encode()


def digest(*parts: bytes) -> str:
    """A key made of what was sent, where it has none of its own."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.hexdigest()


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def _whole(value: Any) -> Any:
    """The same with a mark for each half of a character: PostgreSQL, and UTF-8, hold none."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


_LENIENT: Final = json.JSONDecoder(parse_int=_number)
