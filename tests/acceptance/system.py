"""The whole of Singr as its callers meet it: API and worker as processes, simulated providers, signed requests."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sites import Process, Site

from singr_auth import SignedRequestAuth, SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config import load_settings
from singr_db import Database, Sealer, new_id
from singr_dev.simulators import MailjetSimulator, Simulator, TwilioSimulator

SCOPES = ("jobs:read", "jobs:write", "notifications:read", "notifications:write", "operations:read")
ENDED = {"completed", "failed", "cancelled"}
_numbers = itertools.count(100)


class Outage:
    """A simulator that can be away altogether: nothing listens at its address then."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._serving = contextlib.ExitStack()
        self.start()
        self._port = httpx.URL(simulator.base_url).port or 0

    def start(self) -> None:
        """Listen (again, at the same address)."""
        self._serving.enter_context(self._simulator.serve(getattr(self, "_port", 0)))

    def stop(self) -> None:
        """Listen no longer; connections to it are refused."""
        self._serving.close()


class Caller:
    """A service with a signing key, calling over HTTP; what speaks for the platform it asks for with the other key."""

    def __init__(
        self, address: str, organization_id: UUID, key: SigningKey, platform: SigningKey | None = None
    ) -> None:
        self.organization_id = organization_id
        self.key = key
        self.http = httpx.Client(base_url=address, auth=SignedRequestAuth(key), timeout=20.0, trust_env=False)
        auth = SignedRequestAuth(platform or key)
        self.platform_http = httpx.Client(base_url=address, auth=auth, timeout=20.0, trust_env=False)

    def close(self) -> None:
        """Hang up."""
        self.http.close()
        self.platform_http.close()

    def post(
        self, job_type: str, payload: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """`POST /v1/jobs`, under an Idempotency-Key of its own unless the headers have one."""
        body = {"type": job_type, "organization_id": str(self.organization_id), "payload": payload, **options}
        own = payload.get("message", {}).get("kind") in {"song_request", "plain"}
        http = self.http if own else self.platform_http
        return http.post("/v1/jobs", json=body, headers={"idempotency-key": str(new_id()), **(headers or {})})

    def email(self, to: str, message: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Ask for an e-mail; the accepted job."""
        return self._accepted(self.post("email.send", {"to": {"email": to}, "message": message or song()}, **options))

    def sms(self, to: str, message: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Ask for an SMS; the accepted job."""
        return self._accepted(self.post("sms.send", {"to": to, "message": message or plain()}, **options))

    def job(self, job_id: str) -> dict[str, Any]:
        """`GET /v1/jobs/{id}`."""
        return self._found(self.http.get(f"/v1/jobs/{job_id}"))

    def ended(self, job: Mapping[str, Any], *, within: float = 30.0) -> dict[str, Any]:
        """Follow a job to its end."""
        deadline = time.monotonic() + within
        while (now := self.job(job["id"]))["status"] not in ENDED:
            assert time.monotonic() < deadline, f"not ended within {within} s: {now}"
            time.sleep(0.05)
        return now

    def deliveries(self, **filters: str) -> list[dict[str, Any]]:
        """`GET /v1/deliveries`."""
        items: list[dict[str, Any]] = self._found(self.http.get("/v1/deliveries", params=filters))["items"]
        return items

    def delivery(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The one message of a job, with its attempts."""
        [message] = self.deliveries(job_id=job["id"])
        return self._found(self.http.get(f"/v1/deliveries/{message['id']}"))

    @staticmethod
    def _accepted(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        job: dict[str, Any] = answer.json()
        return job

    @staticmethod
    def _found(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == httpx.codes.OK, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass
class System:
    """API and worker, and who is around them."""

    site: Site
    api: Process
    worker: Process
    mailjet: MailjetSimulator
    twilio: TwilioSimulator
    mailjet_outage: Outage
    callers: list[Caller] = field(default_factory=list)

    def caller(self) -> Caller:
        """A service of a new organization."""
        organization_id = new_id()
        key, platform = asyncio.run(self._credentials(organization_id))
        return self.called_with(key, organization_id, platform)

    def called_with(self, key: SigningKey, organization_id: UUID, platform: SigningKey | None = None) -> Caller:
        """A service that has this key."""
        self.callers.append(Caller(self.api.address, organization_id, key, platform))
        return self.callers[-1]

    def between_tests(self) -> None:
        """Callers hang up; providers behave, and have received nothing."""
        while self.callers:
            self.callers.pop().close()
        self.mailjet.reset()
        self.twilio.reset()

    async def _credentials(self, organization_id: UUID) -> tuple[SigningKey, SigningKey]:
        settings = load_settings(self.site.environment, env_file=None)
        async with Database(settings.database, application_name="acceptance") as db:
            credentials = ServiceCredentials(db, Sealer(settings.auth.secret), settings.ingestion)
            async with db.platform() as session:
                connection = await session.connection()
                await connection.exec_driver_sql(
                    "INSERT INTO organizations (id, name, slug) VALUES (%s, %s, %s)",
                    (organization_id, "Acceptance Karaoke", f"acceptance-{organization_id}"),
                )
                own, platform = [
                    await credentials.create_signing_credential(
                        session, name="acceptance", organization_id=each, scopes=SCOPES
                    )
                    for each in (organization_id, None)
                ]
        return SigningKey(own.key_id, own.secret), SigningKey(platform.key_id, platform.secret)


@contextlib.contextmanager
def running(database_url: str, redis_url: str, logs: Path, environ: Mapping[str, str]) -> Iterator[System]:
    """The system, for the length of the block."""
    mailjet, twilio = MailjetSimulator(), TwilioSimulator()
    with contextlib.ExitStack() as stack:
        stack.enter_context(twilio.serve())
        outage = Outage(mailjet)
        stack.callback(outage.stop)
        site = Site(
            database_url,
            redis_url,
            logs,
            {
                "AUTH_SECRET": "acceptance-auth-secret-0123456789-abcdef",
                "API_RATE_LIMIT_MAX": "1000000",
                **mailjet.environ,
                **twilio.environ,
                **environ,
            },
        )
        # Both start at once; each is waited for.
        api = stack.enter_context(site.run("singr_api", "serve"))
        worker = stack.enter_context(site.run("singr_worker", "run"))
        for process in (api, worker):
            process.wait_until_healthy()
        yield System(site, api, worker, mailjet, twilio, outage)


def song(**changed: Any) -> dict[str, Any]:
    """A message that is not sent twice when its fate is in doubt."""
    return {
        "kind": "song_request",
        "venue_name": "Blue Note",
        "artist": "Nina Simone",
        "title": "Feeling Good",
        "link": "https://singrkaraoke.com/requests/42",
    } | changed


def plain(text: str = "You are next.") -> dict[str, Any]:
    """A text message with words of the caller's own."""
    return {"kind": "plain", "text": text}


def address() -> str:
    """An address that no other message of the run goes to."""
    return f"guest.{new_id().hex}@example.org"


def number() -> str:
    """A phone number that no other message of this process goes to."""
    return f"+1555555{next(_numbers):04d}"
