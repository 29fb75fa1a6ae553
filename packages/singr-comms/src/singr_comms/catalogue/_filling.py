"""A message made of data that somebody gave, with every fault in it named at once."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from singr_comms._errors import CommsError
from singr_comms.models._message import Message, invalid_message

_MISSING: Final = "is missing"


class InvalidDataError(CommsError, ValueError):
    """Data does not fill a message's variables.

    Args:
        faults: by the path of each variable within the data, such as `items[0].title`, what is wrong with it; never
            with the value itself.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {words}" for path, words in faults.items()))
        self.faults = dict(faults)


def filled(model: type[Message], data: Mapping[str, Any]) -> Message:
    """Make a message of its variables.

    Args:
        model: of a type for a channel.
        data: its variables by name, as JSON has them.

    Raises:
        InvalidDataError: names every variable that is missing, unknown or wrong.
    """
    faults: dict[str, str] = {}
    values: dict[str, Any] = {}
    fields = {field.name: field for field in msgspec.structs.fields(model)}
    for name in data:
        if name not in fields:
            faults[name] = f"is no variable of this message; it has {', '.join(fields)}"
    for name, field in fields.items():
        if name not in data:
            if field.required:
                faults[name] = _MISSING
            continue
        try:
            values[name] = msgspec.convert(data[name], field.type)
        except msgspec.ValidationError as error:
            wrong = invalid_message(error)
            faults[_path(name, wrong.field)] = wrong.message
    if faults:
        raise InvalidDataError(faults)
    return model(**values)


def _path(name: str, inner: str) -> str:
    return name + (inner if inner.startswith("[") or not inner else f".{inner}")
