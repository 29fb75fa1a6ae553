"""The base of all messages, and the checks of what was made in Python.

Decoding checks every bound. Objects made in Python are checked when they are rendered, queued or sent, since msgspec
does not check constructor arguments.
"""

from functools import cache
from typing import Any, ClassVar, Final, Literal, TypeVar

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.models._fields import RULES
from singr_comms.models._words import in_words

_Checked = TypeVar("_Checked")
_LAST: Final = 1000


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"
):
    """Base of all messages; the tag is sent as `kind`.

    What is at its default is not stored: a process that does not have such a field yet, or no longer, reads the rest.

    Attributes:
        listed: where the documents list it among the messages of its channel; whoever says nothing comes last, by name.
        speaks_for: in whose name it speaks, as its `MessageType` says.
    """

    speaks_for: ClassVar[Literal["platform", "organization"]] = "platform"
    listed: ClassVar[int] = _LAST

    def __post_init__(self) -> None:
        """Have lines of texts end with LF alone, whatever form they came from."""
        end_lines(self)


def end_lines(struct: msgspec.Struct) -> None:
    """Have lines of a struct's texts end with LF alone, which is all that processes of before know."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, str) and "\r\n" in value:
            msgspec.structs.force_setattr(struct, name, value.replace("\r\n", "\n"))


def kind_of(message: Message | type[Message]) -> str:
    """Return the message's `kind`, such as `song_request`."""
    return str(message.__struct_config__.tag)


def checked(value: object, model: type[_Checked], *, at: str = "") -> _Checked:
    """Return `value` as its model accepts it.

    Args:
        value: what was made in Python.
        model: its type.
        at: path of the value within what the caller made; it goes before the names in errors.

    Raises:
        InvalidMessageError: names the first variable that breaks the model.
    """
    try:
        return _decoder(model).decode(msgspec.json.encode(value))
    except msgspec.ValidationError as error:
        raise _within(invalid_message(error), at) from None
    except (UnicodeEncodeError, TypeError, OverflowError, RecursionError):
        wrong = InvalidMessageError(_unwritable(value), "contains a value that cannot be written as JSON in UTF-8")
        raise _within(wrong, at) from None


def checked_whole(value: _Checked) -> _Checked:
    """Return a struct that holds a message of any type in its field `message` as the models of its fields accept it.

    Raises:
        InvalidMessageError: names the first variable that breaks its model.
    """
    struct: Any = type(value)
    parts = {}
    for name, model in _fields(struct):
        held = getattr(value, name)
        if name == "message":
            if not isinstance(held, Message):
                raise InvalidMessageError(name, "must be a message, an object of one of the declared models")
            model = type(held)  # noqa: PLW2901 - any declared one
        # A brand was checked when it was kept, and what is rendered of it is its organization's alone.
        parts[name] = held if name == "brand" else checked(held, model, at=name)
    whole: _Checked = struct(**parts)
    return whole


@cache
def _fields(struct: type) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in msgspec.structs.fields(struct))


def _within(error: InvalidMessageError, at: str) -> InvalidMessageError:
    return InvalidMessageError(".".join(filter(None, (at, error.field))), error.message) if at else error


def _unwritable(value: object) -> str:
    """The path of the first field that JSON cannot hold, such as half a character; empty for the whole."""
    if not isinstance(value, msgspec.Struct):
        return ""
    for name, held in msgspec.structs.asdict(value).items():
        try:
            msgspec.json.encode(held)
        except (UnicodeEncodeError, TypeError, OverflowError, RecursionError):
            inner = _unwritable(held)
            return f"{name}.{inner}" if inner else name
    return ""


def invalid_message(error: msgspec.ValidationError) -> InvalidMessageError:
    """Turn a msgspec error into ours: the path becomes the field, with the one that a message's own rule names."""
    text, _, path = str(error).partition(" - at `$")
    if isinstance(error.__cause__, InvalidMessageError):
        return _within(error.__cause__, path.rstrip("`").lstrip("."))
    _, expected, pattern = text.partition("matching regex ")
    if expected:
        known = (rule for known, rule in RULES.items() if pattern in {f"'{known}'", f'"{known}"', repr(known)})
        text = next(known, "does not have the expected form")
    else:
        text = in_words(text)
    return InvalidMessageError(path.rstrip("`").lstrip("."), text)


_decoders: Final[dict[type, msgspec.json.Decoder[Any]]] = {}


def _decoder(model: type[_Checked]) -> msgspec.json.Decoder[_Checked]:
    try:
        return _decoders[model]
    except KeyError:
        return _decoders.setdefault(model, msgspec.json.Decoder(model))
