"""A message made of data that somebody gave, with every fault in it named at once."""

from collections.abc import Collection, Mapping
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from singr_comms._errors import CommsError, InvalidMessageError
from singr_comms.models._fields import RULES
from singr_comms.models._message import Message, invalid_message

MISSING: Final = "is missing"


class InvalidDataError(CommsError, ValueError):
    """Data does not fill a message's variables.

    Args:
        faults: by the path of each variable within the data, such as `items[0].title`, what is wrong with it; never
            with the value itself.
        unknown: of which of these there is no variable.

    Attributes:
        codes: by the same paths a code, as notifications have it.
    """

    def __init__(self, faults: Mapping[str, str], *, unknown: Collection[str] = ()) -> None:
        super().__init__("; ".join(f"{path}: {words}" for path, words in faults.items()))
        self.faults = dict(faults)
        self.codes: dict[str, Literal["unknown_field", "required", "invalid"]] = {
            path: "unknown_field" if path in unknown else "required" if words == MISSING else "invalid"
            for path, words in faults.items()
        }


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
            faults[name] = f"is not a variable of this message; it has {', '.join(fields)}"
    for name, field in fields.items():
        if name not in data:
            if field.required:
                faults[name] = MISSING
            continue
        found = faults_in(data[name], field.type, name)
        if found:
            faults |= found
        else:
            values[name] = msgspec.convert(data[name], field.type)
    if faults:
        raise InvalidDataError(faults, unknown=data.keys() - fields.keys())
    try:
        return model(**values)
    except InvalidMessageError as error:  # a rule of its own, over several variables
        raise InvalidDataError({error.field: error.message}) from None


def faults_in(value: Any, kind: Any, path: str, *, builtin_types: tuple[type, ...] | None = None) -> dict[str, str]:
    """What is wrong with a value as JSON has it, by path: all of it, in each item of a list and each field of those.

    Args:
        value: it.
        kind: what it is to be.
        path: where it is.
        builtin_types: what it may hold beside what JSON has, in place of the texts that JSON has for these.
    """
    try:
        msgspec.convert(value, kind, builtin_types=builtin_types)
    except msgspec.ValidationError as error:
        found: dict[str, str] = {}
        inner = _present(kind)
        for number, one in enumerate(value if _is_sound(value, inner) else ()):
            found |= faults_in(one, get_args(_bare(inner))[0], f"{path}[{number}]", builtin_types=builtin_types)
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            found |= _faults_of_fields(value, inner, path, builtin_types)
        wrong = invalid_message(error)
        words = None if wrong.field else _by_declaration(str(error), kind)
        return found or {_path(path, wrong.field): words or wrong.message}
    return {}


def _faults_of_fields(
    value: Mapping[str, Any], struct: type[msgspec.Struct], path: str, builtin_types: tuple[type, ...] | None
) -> dict[str, str]:
    found: dict[str, str] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    if struct.__struct_config__.forbid_unknown_fields:
        there = ", ".join(fields)
        found |= {f"{path}.{name}": f"is not a field here; there are {there}" for name in value if name not in fields}
    for name, field in fields.items():
        if name in value:
            found |= faults_in(value[name], field.type, f"{path}.{name}", builtin_types=builtin_types)
        elif field.required:
            found[f"{path}.{name}"] = MISSING
    return found


def _present(kind: Any) -> Any:
    """What a value is where it may be left out; the kind itself otherwise."""
    others = [one for one in get_args(kind) if one is not type(None)]
    return others[0] if get_origin(kind) in {Union, UnionType} and len(others) == 1 else kind


def _by_declaration(said: str, kind: Any) -> str | None:
    """What would be right, as the kind itself declares it; None where it does not."""
    inner = _present(kind)
    if "Invalid enum value" in said and get_origin(_bare(inner)) is Literal:
        return f"must be one of {', '.join(map(str, get_args(_bare(inner))))}"
    bounds = [one for one in getattr(inner, "__metadata__", ()) if isinstance(one, msgspec.Meta)]
    pattern, example, form = (
        next((getattr(one, name) for one in bounds if getattr(one, name)), None)
        for name in ("pattern", "examples", "description")
    )
    if "matching regex" not in said or pattern in RULES or not example:
        return None
    return f"must have the form of {example[0]}" + (f": {form.rstrip('.')}" if form else "")


def _is_sound(value: Any, kind: Any) -> bool:
    """Whether it is a list as its variable wants one, whatever its items are."""
    bare = _bare(kind)
    alike = get_origin(bare) is list or (get_origin(bare) is tuple and get_args(bare)[1:] == (...,))
    if not (alike and isinstance(value, list | tuple)):
        return False
    bounds = getattr(kind, "__metadata__", ())
    try:
        msgspec.convert(value, Annotated[list[Any], *bounds] if bounds else list[Any])
    except msgspec.ValidationError:
        return False
    return True


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _path(name: str, inner: str) -> str:
    return name + (inner if inner.startswith("[") or not inner else f".{inner}")
