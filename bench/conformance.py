"""Before a service is measured: does it do the whole work? The same questions to ours and to the peer."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import msgspec
from bench.harness import SIGNING_SECRET, BenchError, sms_job

from singr_auth import SigningKey, sign_request
from singr_config import Secret

KEY = SigningKey("env", Secret(SIGNING_SECRET))
PATH = "/v1/jobs"


class Service:
    """A service under question; counts what it gets wrong."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.problems: list[str] = []

    def ask(
        self,
        what: str,
        expected: set[int],
        body: dict[str, Any],
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a signed request; note when the status is none of the expected."""
        data = msgspec.json.encode(body)
        signed = headers or sign_request(KEY, method="POST", path=PATH, body=data)
        given = {"content-type": "application/json", "idempotency-key": key or secrets.token_hex(16), **signed}
        response = self._client.post(PATH, content=data, headers=given)
        if response.status_code not in expected:
            self.problems.append(f"{what}: {response.status_code}, not {expected}: {response.text[:300]}")
        return response


def check_service(url: str) -> None:
    """Raise BenchError where the service leaves out something that its measurement would then not contain."""
    accepted = {200, 201, 202}
    with httpx.Client(base_url=url, timeout=10) as client:
        service = Service(client)
        key = secrets.token_hex(16)
        first = service.ask("a good request", accepted, sms_job(), key=key)
        again = service.ask("the same once more", accepted, sms_job(), key=key)
        if first.content != again.content:
            service.problems.append("the same request with the same key got another answer")
        if "x-request-id" not in first.headers or not any(name.startswith("ratelimit") for name in first.headers):
            service.problems.append("the answer lacks x-request-id or rate limit headers")
        service.ask("the key with another body", {409, 422}, sms_job("other"), key=key)
        signed = sign_request(KEY, method="POST", path=PATH, body=msgspec.json.encode(sms_job("once")))
        service.ask("a fresh nonce", accepted, sms_job("once"), headers=signed)
        service.ask("its nonce replayed", {401}, sms_job("once"), headers=signed)
        service.ask("an altered body", {401}, sms_job("altered"), headers=signed)
        service.ask("an unknown field", {400, 422}, {**sms_job(), "surprise": 1})
        service.ask("an unknown type", {400, 422}, {**sms_job(), "type": "no.such"})
        service.ask("a bad number", {400, 422}, {**sms_job(), "payload": {**sms_job()["payload"], "to": "12"}})
        if client.get("/metrics").status_code != httpx.codes.OK:
            service.problems.append("no metrics are served")
    if service.problems:
        raise BenchError(f"{url} does not do the whole work:\n  " + "\n  ".join(service.problems))
