"""Call Singr, or any service that verifies signatures, with signed requests.

pip install 'singr-auth[httpx]'; then: SINGR_URL=… SINGR_KEY=sg_… SINGR_SECRET=… SINGR_ORGANIZATION=… python calling.py
"""

import os
import uuid
from typing import Any

import httpx

from singr_auth import SignedRequestAuth, SigningKey
from singr_config import Secret


def text_message(client: httpx.Client, organization_id: str, to: str, text: str) -> dict[str, Any]:
    """Have a text message sent, once: a repeat under the same Idempotency-Key answers what the first one did."""
    job = {
        "type": "sms.send",
        "organization_id": organization_id,
        "payload": {"to": to, "message": {"kind": "plain", "text": text}},
    }
    headers = {"idempotency-key": str(uuid.uuid4())}
    for _ in range(3):
        try:
            answer = client.post("/v1/jobs", json=job, headers=headers)  # signed anew each time
        except httpx.TransportError:
            continue  # whether it arrived is not known: the key makes asking again safe
        answer.raise_for_status()
        accepted: dict[str, Any] = answer.json()
        return accepted
    raise RuntimeError("Singr does not answer.")


def client_from_environment() -> httpx.Client:
    """Return a client that signs each request."""
    key = SigningKey(os.environ["SINGR_KEY"], Secret(os.environ["SINGR_SECRET"]))
    return httpx.Client(base_url=os.environ["SINGR_URL"], auth=SignedRequestAuth(key), timeout=10.0)


if __name__ == "__main__":
    with client_from_environment() as http:
        print(text_message(http, os.environ["SINGR_ORGANIZATION"], "+15555550100", "You are next."))
