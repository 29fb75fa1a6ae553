"""A text that must not be seen."""

import hmac
from typing import Final, NoReturn, final

MASK: Final = "***"


@final
class Secret:
    """A secret text that prints as `***` wherever it is shown.

    `repr`, `str` and `format` mask it, comparison takes constant time, and it can be neither pickled nor
    encoded by msgspec without `mask_secrets`. Only `reveal` gives the text back.

    >>> password = Secret("correct horse")
    >>> f"the password is {password}"
    'the password is ***'
    >>> password.reveal()
    'correct horse'
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """Return the secret text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})" if self._text else "Secret('')"

    def __str__(self) -> str:
        return MASK if self._text else ""

    def __format__(self, format_spec: str) -> str:
        return format(str(self), format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._encoded(), other._encoded())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: let the other process load its own settings")

    def _encoded(self) -> bytes:
        # surrogateescape: the environment may hold bytes that are no UTF-8, and comparing must not raise on them
        return self._text.encode("utf-8", "surrogateescape")


def mask_secrets(value: object) -> str:
    """Encode a `Secret` as its mask: an `enc_hook` for msgspec encoders.

    Raises:
        NotImplementedError: `value` is no Secret, as msgspec's hook protocol asks.
    """
    if isinstance(value, Secret):
        return str(value)
    raise NotImplementedError(f"cannot encode {type(value).__name__}")
