"""Answers to what never became a request: problem documents (RFC 9457), written straight onto the connection."""

from http import HTTPStatus
from typing import Final

import msgspec

from singr_observability.tracing._correlation import new_correlation_id

BASE: Final = "https://singrkaraoke.com/problems/"


class Refusal(msgspec.Struct, frozen=True):
    """Why a connection ends.

    Attributes:
        slug: the last part of the problem's type.
    """

    status: int
    slug: str
    title: str
    detail: str

    def answer(self) -> tuple[str, bytes]:
        """Return a new request id, and the whole answer that carries it."""
        request_id = new_correlation_id()
        body = msgspec.json.encode(
            {
                "type": BASE + self.slug,
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "instance": "",
                "request_id": request_id,
            }
        )
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n"
            "cache-control: no-store\r\n"
            "x-content-type-options: nosniff\r\n"
            f"x-request-id: {request_id}\r\n"
            "connection: close\r\n\r\n"
        )
        return request_id, head.encode() + body


def malformed(detail: str) -> Refusal:
    """Return the refusal of what is no HTTP, or not as RFC 9112 has it."""
    return Refusal(400, "malformed-request", "The request is not well-formed", detail)


def head_too_large(detail: str) -> Refusal:
    """Return the refusal of a head past its limits."""
    return Refusal(431, "head-too-large", "The request's head is too large", detail)


def too_slow(detail: str) -> Refusal:
    """Return the refusal of what did not arrive in time."""
    return Refusal(408, "request-timeout", "The request took too long to arrive", detail)


def body_too_large(detail: str) -> Refusal:
    """Return the refusal of a body that is mostly wrapping."""
    return Refusal(413, "body-too-large", "The body is too large", detail)


FULL: Final = Refusal(
    503, "unavailable", "The service cannot do this right now", "All connections are in use. Try again in a moment."
)
