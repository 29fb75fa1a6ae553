"""From messages to words, and from words to the bytes of a mail that nothing in them can change."""

from singr_comms.rendering._mime import UnsafeMailError, write_mail

__all__ = ["UnsafeMailError", "write_mail"]
