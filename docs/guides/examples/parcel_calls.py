"""Have Singr send a message of your own type, over HTTP: a signed request, and what comes back.

pip install 'singr-auth[httpx]'; then, with SINGR_URL, SINGR_KEY, SINGR_SECRET and SINGR_ORGANIZATION set:
python parcel_calls.py
"""

import os
import time
from typing import Any

import httpx
from calling import client_from_environment

ENDED = ("completed", "failed", "cancelled")
SECONDS_BETWEEN_LOOKS = 1.0


class NotTakenError(Exception):
    """Singr refuses the message; the faults name each field that is wrong, and what would be right."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.faults = {one["field"]: one["message"] for one in problem.get("errors", ())}


def has_come(client: httpx.Client, organization_id: str, number: str, email: str, reader: str) -> str:
    """Ask for the mail, once for each parcel however often this is called; return the job that sends it."""
    link = f"https://parcels.example/{number}"
    message = {"kind": "parcel_ready", "user_name": reader, "shop": "Corner", "link": link}
    job = {
        "type": "email.send",
        "organization_id": organization_id,
        "payload": {"to": {"email": email}, "message": message},
    }
    answer = client.post("/v1/jobs", json=job, headers={"idempotency-key": f"parcel-{number}"})
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise NotTakenError(answer.json())
    answer.raise_for_status()
    return str(answer.json()["id"])


def came_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Wait until the job has ended; return it. Of a failed one, `error` says why in a code and in words."""
    while True:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        if job["status"] in ENDED:
            return job
        time.sleep(SECONDS_BETWEEN_LOOKS)


if __name__ == "__main__":
    with client_from_environment() as http:
        asked = has_come(http, os.environ["SINGR_ORGANIZATION"], "7", "jane@example.org", "Jane")
        ended = came_of(http, asked)
        print(ended["status"], ended.get("result") or ended.get("error"))
