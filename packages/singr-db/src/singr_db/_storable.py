"""What PostgreSQL's text and JSON can hold, made of any text or value."""

from collections.abc import Mapping


def storable_text(text: str) -> str:
    """The same text without NUL, and with question marks for what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def storable(value: object) -> object:
    """The same value of JSON with every text in it made storable."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, Mapping):
        return {storable_text(str(name)): storable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [storable(one) for one in value]
    return value
