"""What tests of the API talk about: requests, keys, and what is stored."""

import hashlib
import itertools
import os
from typing import Any
from uuid import uuid4

import httpx
from api_callers import ORGANIZATION, OTHER, SCOPES
from api_promises import undocumented
from sqlalchemy import text

from singr_api.http.codes import FIELD_CODES
from singr_db import Database
from singr_jobs import KeyedRequest, claim_key

_numbers = itertools.count()


class World:
    """What tests talk about."""

    organization = ORGANIZATION
    other = OTHER
    scopes = SCOPES

    def __init__(self, db: Database) -> None:
        self.db = db

    def key(self) -> dict[str, str]:
        """A new Idempotency-Key."""
        return {"idempotency-key": f"test-{os.getpid()}-{next(_numbers)}-{uuid4().hex[:8]}"}

    def sms(self, **changed: Any) -> dict[str, Any]:
        """A valid request for a text message."""
        return {
            "type": "sms.send",
            "organization_id": str(ORGANIZATION),
            "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}},
        } | changed

    def email(self, **changed: Any) -> dict[str, Any]:
        """A valid request for an e-mail."""
        message = {
            "kind": "song_request",
            "venue_name": "Blue Note",
            "artist": "Nina Simone",
            "title": "Feeling Good",
            "link": "https://singrkaraoke.com/requests/42",
        }
        return {
            "type": "email.send",
            "organization_id": str(ORGANIZATION),
            "payload": {"to": {"email": "jane@example.org", "name": "Jane"}, "message": message},
        } | changed

    async def stored(self) -> dict[str, int]:
        """How many rows there are of what a request may store."""
        tables = ("jobs", "messages", "request_keys")
        counts = ", ".join(f"(SELECT count(*) FROM {name}) AS {name}" for name in tables)
        async with self.db.platform() as session:
            return dict((await session.execute(text(f"SELECT {counts}"))).mappings().one())

    async def begin(self, headers: dict[str, str], method: str, path: str, body: bytes = b"") -> None:
        """Use a key for a request, of which no more comes: its process died."""
        request = KeyedRequest(
            organization_id=self.organization,
            key=headers["idempotency-key"],
            method=method,
            path=path,
            body_hash=hashlib.sha256(body).digest(),
        )
        async with self.db.tenant(self.organization) as session:
            await claim_key(session, request)

    async def nothing_stored(self) -> bool:
        """Whether no request has left anything behind."""
        return not any((await self.stored()).values())

    @staticmethod
    def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
        """The answer's problem document, of this kind; with everything that each must have, and nothing internal.

        Its route documents that it may answer so.
        """
        kind = answer.headers.get("content-type")
        said = f"answered {answer.status_code}, not {status}: {answer.text}"
        assert (answer.status_code, kind) == (status, "application/problem+json"), said
        document: dict[str, Any] = answer.json()
        assert document["type"] == f"https://singrkaraoke.com/problems/{slug}", answer.text
        lacking = undocumented(answer, slug)
        assert not lacking, lacking
        assert document["status"] == status
        assert document["title"]
        assert document["detail"]
        assert document["request_id"] == answer.headers["x-request-id"]
        assert document["instance"].startswith("/")
        assert {error["code"] for error in document.get("errors", ())} <= set(FIELD_CODES)
        for internal in ("Traceback", "psycopg", "sqlalchemy", "msgspec", "site-packages", "SELECT"):
            assert internal not in answer.text
        return document

    @staticmethod
    def fields(document: dict[str, Any]) -> dict[str, str]:
        """The invalid fields with their messages."""
        return {error["field"]: error["message"] for error in document.get("errors", ())}
