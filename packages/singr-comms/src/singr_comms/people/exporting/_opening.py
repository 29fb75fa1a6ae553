"""Rows of an export, opened: what is sealed is told in clear, or as null where nobody can read it any more.

What another process may be able to open is not told as null: a SealError leaves the export to it.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms._preview import preview
from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import CONTENT, RECIPIENT
from singr_comms.notifications.branding._worn import Wardrobe
from singr_comms.people.recipients._sealing import NAME
from singr_config import BrandSettings
from singr_db import KeyDestroyedError, Sealer, SealError, key_of

WITHHELD: Final = "withheld: it carries a code or a link that lets somebody in"
_BARE: Final = Wardrobe()
_ADDRESSES: Final = {"email_sealed": "email", "phone_sealed": "sms"}


class Opener:
    """Opens rows.

    Args:
        sealer: made from `AUTH_SECRET`.
        brand: whose messages they are.
    """

    def __init__(self, sealer: Sealer, brand: BrandSettings) -> None:
        self._sealer = sealer
        self._brand = brand

    def told(self, row: Mapping[str, Any], wardrobe: Wardrobe = _BARE) -> dict[str, Any]:
        """A row as the export tells it: `at` is its id, and what was said it tells as it wears it of a wardrobe.

        Raises:
            SealError: as `opened` raises it.
        """
        told = {name: value for name, value in row.items() if name not in {"at", "key_wrapped"}}
        told = {"id": row["at"], **{name: value for name, value in told.items() if not name.endswith("_sealed")}}
        if "name_sealed" in row:
            told |= self._person(row)
        if "recipient_sealed" in row:
            told["to"] = self._address(row, "recipient_sealed", row["channel"])
        if "content_sealed" in row:
            told |= self._content(row["type"], row["channel"], row["content_sealed"], row, wardrobe)
        if "targets" in row:
            told["targets"] = [self._target(row, target) for target in row["targets"]]
        return told

    def _target(self, row: Mapping[str, Any], target: dict[str, Any]) -> dict[str, Any]:
        contents = {
            channel: self._content(row["type"], channel, base64.b64decode(sealed), {**row, "locale": target["locale"]})
            for channel, sealed in target["contents"].items()
        }
        return target | {"contents": contents}

    def _person(self, row: Mapping[str, Any]) -> dict[str, Any]:
        name = self.opened(row["name_sealed"], row["key_wrapped"], NAME)
        addresses = {
            column.removesuffix("_sealed"): self._address(row, column, channel)
            for column, channel in _ADDRESSES.items()
        }
        return {"name": None if name is None else name.decode(), **addresses}

    def _address(self, row: Mapping[str, Any], column: str, channel: str) -> Any:
        sealed = self.opened(row[column], row["key_wrapped"], RECIPIENT)
        # A token that pushes are sent by is no address that anybody would know.
        if sealed is None or channel == "push":
            return row.get("recipient_masked")
        return CHANNELS[channel].address(CHANNELS[channel].decoded(sealed))

    def _content(
        self, kind: str, channel: str, sealed: bytes, row: Mapping[str, Any], wardrobe: Wardrobe = _BARE
    ) -> dict[str, Any]:
        """Its variables, and the words that they came to: null once the words are gone."""
        if message_types.carries_code(kind):
            return {"data": WITHHELD, "subject": None, "text": WITHHELD}
        content = self.opened(sealed, row.get("key_wrapped"), CONTENT)
        told: dict[str, Any] = {"data": None, "subject": None, "text": None}
        if content is None:
            return told
        try:
            told["data"] = msgspec.json.decode(content)
            declared = message_types.named(kind)
            if declared is not None and channel in declared.models:
                message = msgspec.json.decode(content, type=declared.models[channel])
                worn, locale = wardrobe.told(message, channel, row["at"], row.get("locale"))
                shown = preview(message, locale=locale, brand=worn or self._brand)
                told |= {"subject": shown.subject, "text": shown.text}
        except (msgspec.MsgspecError, InvalidMessageError):
            pass  # of a type that has changed since: its variables are told as they were
        return told

    def opened(self, sealed: bytes | None, wrapped: bytes | None, context: str) -> bytes | None:
        """What a person's key, which `wrapped` is, or the platform's secret sealed.

        Returns:
            None where there is nothing, or nobody can open it: its key was destroyed, or it was altered.

        Raises:
            SealError: a secret is needed that this process does not have.
        """
        if not sealed:
            return None
        try:
            return open_sealed(self._sealer, bytes(sealed), wrapped, context=context)
        except KeyDestroyedError:
            return None
        except SealError:
            if self._sealer.knows(sealed if key_of(sealed) is None else wrapped or b""):
                return None
            raise
