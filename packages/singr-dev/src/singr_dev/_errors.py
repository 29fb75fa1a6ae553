"""Errors of the development tools."""

__all__ = ["DevError", "EmbeddedError"]


class DevError(Exception):
    """Something in the development environment is not as it must be; the text says what to do about it."""


class EmbeddedError(DevError):
    """An embedded server cannot be started, reached or stopped; the text says why and what to do about it."""
