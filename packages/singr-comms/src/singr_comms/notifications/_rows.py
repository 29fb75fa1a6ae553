"""Message rows: sealed, masked, fingerprinted, and written many at a time."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from singr_comms._errors import InvalidMessageError, TransientError
from singr_comms.catalogue import message_types
from singr_comms.channels._channel import Channel
from singr_comms.models._message import Message, checked_whole, kind_of
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._reachable import ways_to_write
from singr_comms.notifications.channels import work_of
from singr_comms.notifications.channels._work import MessageRequest
from singr_db import Sealer, SealError, new_id
from singr_db.batch import read_arrays

RECIPIENT: Final = "messages.recipient"
CONTENT: Final = "messages.content"

COLUMNS: Final = {
    "id": "uuid",
    "organization_id": "uuid",
    "job_id": "uuid",
    "user_id": "uuid",
    "channel": "text",
    "kind": "text",
    "recipient_sealed": "bytea",
    "recipient_hash": "bytea",
    "recipient_masked": "text",
    "content_sealed": "bytea",
    "correlation_id": "text",
}
"""What a message has from the start, in the order of `MessageRow`."""

# One JSON parameter for all rows: msgspec writes it at under a microsecond a row, where an array per column costs ten.
INSERT_ROWS: Final = f"""
INSERT INTO messages ({", ".join(COLUMNS)})
SELECT {", ".join(COLUMNS)}
  FROM {read_arrays(COLUMNS, "{rows}")}
"""  # noqa: S608 - constants

UNKNOWN_TYPE: Final = "this process knows no {channel} of the type {kind}: import what declares it, or install it"
_encode = msgspec.json.Encoder().encode
_DAY: Final = 86_400.0


class _Expiry(msgspec.Struct):
    """What codes and links say of their life; messages hold one of these."""

    expiry_minutes: int = 0
    expiry_hours: int = 0
    expiry_days: int = 0


class MessageRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of `messages` as it is inserted; it travels as an array, bytes as base64."""

    id: UUID
    organization_id: UUID
    job_id: UUID
    user_id: UUID | None
    channel: str
    kind: str
    recipient_sealed: bytes
    recipient_hash: bytes
    recipient_masked: str
    content_sealed: bytes
    correlation_id: str | None


def row_for(
    request: MessageRequest,
    *,
    sealer: Sealer,
    job_id: UUID,
    organization_id: UUID,
    correlation_id: str | None,
) -> MessageRow:
    """Make the row of a request whose bounds were checked. Hot: a few microseconds, most of them sealing."""
    channel = work_of(request).channel
    address = channel.address(request.to)
    return MessageRow(
        new_id(),
        organization_id,
        job_id,
        request.user_id,
        channel.name,
        kind_of(request.message),
        sealer.seal(channel.encoded(request.to), context=RECIPIENT),
        recipient_hash(sealer, address),
        channel.masked(request.to),
        sealer.seal(_encode(request.message), context=CONTENT),
        correlation_id,
    )


def rows_parameter(rows: Sequence[MessageRow]) -> str:
    """All rows as the one parameter that `INSERT_ROWS` takes."""
    return _encode(rows).decode()


def recipient_hash(sealer: Sealer, recipient: str) -> bytes:
    """The fingerprint that a recipient's messages are found by; addresses in any case are one."""
    return sealer.fingerprint(normalized(recipient), context=RECIPIENT)


def normalized(recipient: str) -> str:
    """The form in which recipients are compared."""
    return recipient.strip().lower()


def prints_of(sealer: Sealer, recipient: str) -> list[bytes]:
    """Every fingerprint that a recipient may be found by: of each secret, and of each way to write a phone number."""
    ways = ways_to_write(normalized(recipient))
    return [one for way in ways for one in sealer.fingerprints(way, context=RECIPIENT)]


_Request = TypeVar("_Request", bound=MessageRequest)


def request_checked(request: _Request) -> _Request:
    """Check a request that was made in Python; raises InvalidMessageError."""
    work = work_of(request)
    channel = work.channel
    channel.check_message(request.message)
    checked = checked_whole(request)
    channel.check_size(checked.message)
    if work.unreachable_from_code:
        for field, wrong in work.unreachable(checked.to, allow_test=True).items():
            raise InvalidMessageError(field, wrong)
    return checked


def life_of(sealer: Sealer, kind: str, content_sealed: bytes) -> float:
    """Seconds for which a message is of use: a code or a link as long as it says, anything else as its type says."""
    if not message_types.carries_code(kind):
        declared = message_types.named(kind)
        return _DAY if declared is None else float(declared.time_to_live)
    try:
        said = msgspec.json.decode(sealer.open(content_sealed, context=CONTENT), type=_Expiry)
    except (SealError, msgspec.MsgspecError):
        return _DAY  # whoever opens it to send it says what is wrong
    return said.expiry_minutes * 60.0 + said.expiry_hours * 3600.0 + said.expiry_days * _DAY or _DAY


def is_known(kind: str, channel: str) -> bool:
    """Whether this process knows messages of a type by a channel."""
    declared = message_types.named(kind)
    return declared is not None and channel in declared.models


def open_message(
    sealer: Sealer,
    channel: Channel[Any, Any],
    kind: str,
    recipient: bytes,
    content: bytes,
    *,
    key_wrapped: bytes | None = None,
) -> tuple[Any, Message]:
    """Open a sealed message.

    Args:
        sealer: made from `AUTH_SECRET`.
        channel: by which it travels.
        kind: of which type it is.
        recipient: whom it goes to, sealed.
        content: what it says, sealed.
        key_wrapped: the recipient's own key, where that sealed one of them.

    Raises:
        SealError: it was sealed with another secret.
        msgspec.DecodeError: It does not fit its model.
        TransientError: this process knows no such type: another one may.
    """
    declared = message_types.named(kind)
    model = declared and declared.models.get(channel.name)
    if model is None:
        raise TransientError("unknown_type", UNKNOWN_TYPE.format(channel=channel.said, kind=kind))
    to = channel.decoded(open_sealed(sealer, recipient, key_wrapped, context=RECIPIENT))
    return to, msgspec.json.decode(open_sealed(sealer, content, key_wrapped, context=CONTENT), type=model)
