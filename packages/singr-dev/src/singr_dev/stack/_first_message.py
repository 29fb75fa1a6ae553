"""The first start's proof: one real message down the whole path, with the time each step took."""

import uuid
from collections.abc import Callable
from datetime import datetime

import httpx

from singr_config.clock import clock
from singr_dev._errors import DevError
from singr_dev.client import DevClient
from singr_dev.inbox import Mail
from singr_dev.stack._state import Runtime

_RECIPIENT = "newcomer@example.org"


def song_request(recipient: str, *, title: str, artist: str) -> dict[str, object]:
    """The payload of an `email.send` job that tells a venue of a song request."""
    return {
        "to": {"email": recipient, "name": "Demo Karaoke"},
        "message": {
            "kind": "song_request",
            "venue_name": "Demo Karaoke",
            "artist": artist,
            "title": title,
            "singer_name": "Freddie",
            "link": "http://localhost:3001/requests",
        },
    }


def send_first_message(
    runtime: Runtime, wait_for_mail: Callable[[str, float], Mail]
) -> tuple[list[tuple[str, float]], Mail]:
    """Send a song request as a service would; returns each step with its milliseconds since the request, and the mail.

    Raises:
        DevError: a step did not happen; the text says which, and what was answered instead.
    """
    recipient = f"{uuid.uuid4().hex[:8]}.{_RECIPIENT}"
    with DevClient(runtime) as client:
        client.deliveries(limit="1")  # connections are open and caches warm before the clock starts
        began = clock.time()
        answer = client.create_job(
            "email.send",
            song_request(recipient, title="Don't Stop Me Now", artist="Queen"),
            idempotency_key=str(uuid.uuid4()),
        )
        accepted = clock.time()
        if answer.status_code != httpx.codes.ACCEPTED:
            raise DevError(f"the API answered {answer.status_code} to the first message: {answer.text[:800]}")
        try:
            mail = wait_for_mail(recipient, 20)
        except TimeoutError as error:
            job = client.job(answer.json()["id"])
            raise DevError(
                f"the first message did not arrive ({error}); its job is {job['status']}: {job.get('error')}"
            ) from None
        job = client.follow(answer.json()["id"], seconds=20)
    if job["status"] != "completed":
        raise DevError(f"the first message's job is {job['status']}: {job.get('error')}")
    picked_up = datetime.fromisoformat(job["started_at"]).timestamp()
    moments = [
        ("accepted and committed", accepted),
        ("picked up by the worker", picked_up),
        ("delivered to the inbox", mail.received_at),
    ]
    return [(name, (moment - began) * 1000) for name, moment in moments], mail
