"""A service that calls Singr's API, as others will: signed requests with httpx.

with DevClient(runtime) as client:
    answer = client.create_job("email.send", {...}, idempotency_key="…")
"""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from singr_auth import SignedRequestAuth, SigningKey
from singr_config import Secret
from singr_dev._errors import DevError
from singr_dev.stack._state import Runtime

__all__ = ["FINAL", "DevClient"]

FINAL = frozenset({"completed", "failed", "cancelled"})


class DevClient:
    """Calls the API that `singr-dev up` runs, with its development credential, for the demo organization.

    Args:
        runtime: where everything is (`StateDirectory().running()`).
        timeout: seconds for one answer.
    """

    def __init__(self, runtime: Runtime, *, timeout: float = 10) -> None:
        self.organization_id = runtime.organization_id
        key = SigningKey(runtime.key_id, Secret(runtime.signing_secret))
        self.http = httpx.Client(base_url=runtime.api, auth=SignedRequestAuth(key), timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def create_job(self, job_type: str, payload: Mapping[str, Any], *, idempotency_key: str) -> httpx.Response:
        """`POST /v1/jobs`."""
        body = {"type": job_type, "organization_id": self.organization_id, "payload": payload}
        return self.http.post("/v1/jobs", json=body, headers={"idempotency-key": idempotency_key})

    def job(self, job_id: str) -> dict[str, Any]:
        """`GET /v1/jobs/{id}`: the job with its attempts."""
        return self._get(f"/v1/jobs/{job_id}")

    def deliveries(self, **filters: str) -> list[dict[str, Any]]:
        """`GET /v1/deliveries`: one page of the delivery log, newest first."""
        found: list[dict[str, Any]] = self._get("/v1/deliveries", **filters)["items"]
        return found

    def delivery(self, delivery_id: str, **filters: str) -> dict[str, Any]:
        """`GET /v1/deliveries/{id}`: one message with its attempts and what its provider told."""
        return self._get(f"/v1/deliveries/{delivery_id}", **filters)

    def follow(
        self, job_id: str, *, seconds: float = 30, on_change: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> dict[str, Any]:
        """Wait until a job has ended; `on_change` sees it each time its status has changed.

        Raises:
            DevError: it has not ended in time.
        """
        deadline = time.monotonic() + seconds
        seen = ""
        while True:
            job = self.job(job_id)
            if job["status"] != seen:
                seen = job["status"]
                on_change(job)
            if seen in FINAL:
                return job
            if time.monotonic() > deadline:
                raise DevError(f"job {job_id} is still {seen} after {seconds:.0f} s: does the worker run?")
            time.sleep(0.02)

    def _get(self, path: str, **filters: str) -> dict[str, Any]:
        answer = self.http.get(path, params={"organization_id": self.organization_id} | filters)
        if answer.status_code != httpx.codes.OK:
            raise DevError(f"GET {path} was answered {answer.status_code}: {answer.text[:600]}")
        found: dict[str, Any] = answer.json()
        return found
