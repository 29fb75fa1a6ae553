"""Message rows: sealed, masked, fingerprinted, and written many at a time."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from singr_comms._errors import InvalidMessageError, TransientError
from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.channels._channel import Channel
from singr_comms.models._message import Message, checked_whole, kind_of
from singr_comms.models._words import misfit
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._reachable import ways_to_write
from singr_comms.notifications.channels import work_of
from singr_comms.notifications.channels._work import MessageRequest
from singr_config.mailboxes import mailbox_of
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
OTHER_VERSION: Final = (
    "this process knows the {channel} {kind} with other fields: {misfit}; run a worker of the version that stored it,"
    " or declare the field as it was there"
)
_encode = msgspec.json.Encoder().encode
_DAY: Final = 86_400.0
_EXPIRY: Final = ("expiry_minutes", "expiry_hours", "expiry_days")
"""What codes and links say of their life; messages hold one of these."""


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


def mailbox_hash(sealer: Sealer, address: str) -> bytes:
    """The fingerprint that limits count an e-mail address by: that of its mailbox, as `mailbox_of` tells it."""
    return recipient_hash(sealer, mailbox_of(normalized(address)))


def normalized(recipient: str) -> str:
    """The form in which recipients are compared."""
    return recipient.strip().lower()


def address_in(sealer: Sealer, row: Any) -> str | None:
    """The address that a message goes to, of its row, read with its `key_wrapped`; None where nobody here can open it.

    Whoever opens it to send it says what is wrong.
    """
    channel = CHANNELS[row.channel]
    try:
        return channel.address(
            channel.decoded(open_sealed(sealer, row.recipient_sealed, row.key_wrapped, context=RECIPIENT))
        )
    except (SealError, msgspec.MsgspecError):
        return None


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


def life_of(sealer: Sealer, row: Any) -> float:
    """Seconds for which a message is of use: a code or a link as long as it says, anything else as its type says."""
    declared = message_types.named(row.kind)
    if declared is None or not declared.carries_code:
        return _DAY if declared is None else float(declared.time_to_live)
    try:
        stored = sealer.open(row.content_sealed, context=CONTENT)
        said: Any = msgspec.json.decode(stored, type=_expiry_in(declared.models.get(row.channel)))
    except (SealError, msgspec.MsgspecError):
        return _DAY  # whoever opens it to send it says what is wrong
    return said.expiry_minutes * 60.0 + said.expiry_hours * 3600.0 + said.expiry_days * _DAY or _DAY


@cache
def _expiry_in(model: type[Message] | None) -> type[msgspec.Struct]:
    """The fields of a model that say how long it is of use; what is at its default was not stored."""
    fields = () if model is None else msgspec.structs.fields(model)
    usual = {field.name: field.default for field in fields if isinstance(field.default, int)}
    return msgspec.defstruct("_Expiry", [(name, int, usual.get(name, 0)) for name in _EXPIRY])


def misfit_here(sealer: Sealer, row: Any) -> tuple[str, str] | None:
    """Why a message is left to another process, as code and words; None where there is no reason.

    This process does not know its type by its channel, or with other fields than it was stored with. What nobody can
    open is no reason: whoever opens it to send it says what is wrong.

    Args:
        sealer: made from `AUTH_SECRET`.
        row: of the message, read with its `key_wrapped`.
    """
    declared, said = message_types.named(row.kind), CHANNELS[row.channel].said
    model = declared and declared.models.get(row.channel)
    if model is None:
        return "unknown_type", UNKNOWN_TYPE.format(channel=said, kind=row.kind)
    try:
        msgspec.json.decode(open_sealed(sealer, row.content_sealed, row.key_wrapped, context=CONTENT), type=model)
    except msgspec.ValidationError as error:
        return "other_version", OTHER_VERSION.format(channel=said, kind=row.kind, misfit=misfit(error))
    except (SealError, msgspec.DecodeError):
        pass
    return None


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
