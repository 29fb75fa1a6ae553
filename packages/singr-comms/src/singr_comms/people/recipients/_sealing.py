"""A recipient as their row holds it: sealed with their own key, masked, fingerprinted as the ledger does it."""

import base64
from collections.abc import Collection
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
FROM_ACCOUNTS: Final = {
    "name_sealed": "bytea",
    "email_sealed": "bytea",
    "email_hash": "bytea",
    "email_masked": "text",
    "phone_sealed": "bytea",
    "phone_hash": "bytea",
    "phone_masked": "text",
}
"""What of a recipient may come from an account."""
COLUMNS: Final = {
    "external_id": "text",
    "user_id": "uuid",
    "copied": "text[]",
    **FROM_ACCOUNTS,
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
# What they set themselves, by what is null of it where it is not given, and in which columns it is.
_OWN: Final = {
    "time_zone": ("time_zone",),
    "quiet_hours": ("quiet_from", "quiet_to", "quiet_days"),
    "digest": ("digest_at", "digest_weekday"),
}
_OWN_COLUMNS: Final = {name: (field, names[0]) for field, names in _OWN.items() for name in names}


def _value(name: str) -> str:
    given = f"CAST(row.{name} AS smallint[])" if name == "quiet_days" else f"row.{name}"
    if name not in _OWN_COLUMNS:
        return given
    field, sign = _OWN_COLUMNS[name]
    return f"CASE WHEN '{field}' = ANY (r.own_times) AND row.{sign} IS NULL THEN r.{name} ELSE {given} END"


_NOT_GIVEN: Final = " ".join(f"WHEN '{field}' THEN row.{names[0]} IS NULL" for field, names in _OWN.items())
_OWN_TIMES: Final = f"ARRAY(SELECT one FROM unnest(r.own_times) AS own (one) WHERE CASE one {_NOT_GIVEN} END)"  # noqa: S608 - constants
VALUES: Final = ", ".join(
    [*(f"{name} = {_value(name)}" for name in COLUMNS if name != "external_id"), f"own_times = {_OWN_TIMES}"]
)
"""What stands behind SET to write a `row` of `COLUMNS` over `recipients AS r`: times that somebody set themselves stay
where they are not given."""


def written(one: NamedRecipient, copied: Collection[str], key: PersonKey, sealer: Sealer) -> list[Any]:
    """The values of `COLUMNS`, as one JSON array holds them; `copied` names what comes from the account."""
    quiet, digest = one.quiet_hours, one.digest
    return [
        one.external_id,
        one.user_id,
        copied,
        sealed_name(one.name, key),
        *sealed_address(EMAIL.name, EmailAddress(one.email, one.name) if one.email else None, key, sealer),
        *sealed_address(SMS.name, one.phone, key, sealer),
        canonical_locale(one.locale) if one.locale else None,
        one.time_zone,
        sorted(set(one.tags)),
        quiet and quiet.starts,
        quiet and quiet.ends,
        sorted(set(quiet.days)) if quiet and quiet.days else None,
        digest and digest.at,
        digest and digest.weekday,
    ]


def sealed_name(name: str | None, key: PersonKey) -> str | None:
    """A name as `name_sealed` holds it, in JSON."""
    return _base64(key.seal(name.encode(), context=NAME) if name else None)


def sealed_address(by: str, to: Any, key: PersonKey, sealer: Sealer) -> tuple[str | None, str | None, str | None]:
    """An address of a channel: sealed, its fingerprint, and masked, in JSON; None of each where there is none."""
    if to is None:
        return None, None, None
    channel: Any = EMAIL if by == EMAIL.name else SMS
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
