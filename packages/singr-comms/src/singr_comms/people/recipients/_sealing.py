"""A recipient as their row holds it: sealed with their own key, masked, fingerprinted as the ledger does it."""

import base64
from typing import Any, Final
from uuid import UUID

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailAddress
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.models._locale import canonical_locale
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_comms.people.recipients._model import NamedRecipient
from singr_db import PersonKey, Sealer, SealError

NAME: Final = "recipients.name"
COLUMNS: Final = {
    "external_id": "text",
    "user_id": "uuid",
    "name_sealed": "bytea",
    "email_sealed": "bytea",
    "email_hash": "bytea",
    "email_masked": "text",
    "phone_sealed": "bytea",
    "phone_hash": "bytea",
    "phone_masked": "text",
    "locale": "text",
    "time_zone": "text",
    "tags": "text[]",
    "quiet_from": "time",
    "quiet_to": "time",
    "quiet_days": "text[]",
    "digest_at": "time",
    "digest_weekday": "smallint",
}
"""What is written of a recipient, in the order of `written`."""


def written(one: NamedRecipient, key: PersonKey, sealer: Sealer) -> list[Any]:
    """The values of `COLUMNS`, as one JSON array holds them."""
    quiet, digest = one.quiet_hours, one.digest
    return [
        one.external_id,
        one.user_id,
        _base64(key.seal(one.name.encode(), context=NAME) if one.name else None),
        *_address(EMAIL, EmailAddress(one.email, one.name) if one.email else None, key, sealer),
        *_address(SMS, one.phone, key, sealer),
        canonical_locale(one.locale) if one.locale else None,
        one.time_zone,
        sorted(set(one.tags)),
        quiet and quiet.starts,
        quiet and quiet.ends,
        sorted(set(quiet.days)) if quiet and quiet.days else None,
        digest and digest.at,
        digest and digest.weekday,
    ]


def _address(channel: Any, to: Any, key: PersonKey, sealer: Sealer) -> tuple[str | None, str | None, str | None]:
    if to is None:
        return None, None, None
    sealed = key.seal(channel.encoded(to), context=RECIPIENT)
    return _base64(sealed), _base64(recipient_hash(sealer, channel.address(to))), channel.masked(to)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def name_of(sealed: bytes | None, keys: dict[UUID, PersonKey], key_id: UUID) -> str | None:
    """A name that was sealed; None where there is none, or nobody can read it any more."""
    key = keys.get(key_id)
    if sealed is None or key is None:
        return None
    try:
        return key.open(sealed, context=NAME).decode()
    except SealError:
        return None
