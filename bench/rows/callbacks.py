"""Callbacks of a provider: signed events of Resend over HTTP, each proved, stored with its job and committed."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from urllib.parse import urlsplit

from bench.cpu import API
from bench.figures import TURNS, Row, at_least, latency_rows, median
from bench.harness import OURS, Stand, load
from bench.load import Plan

from singr_db import new_id

BENCH = "Callbacks"
RATE_TARGET = 1_000
P95_TARGET_MS = 50
CONNECTIONS = 32
KEY = base64.b64encode(os.urandom(24)).decode()


def run(place: Stand) -> list[Row]:
    """Post them to our API, several turns, each to an empty database."""
    turns, count, warmup = place.scaled(TURNS, 1), place.scaled(6_000, 200), place.scaled(500, 50)
    rates, latencies = [], []
    for turn in range(turns):
        name = f"callbacks-{turn}"
        environ = place.environ(place.database(name.replace("-", "_")), 2, RESEND_WEBHOOK_SECRET=f"whsec_{KEY}")
        with place.api(name, environ) as api:
            requests = [event(api.url) for _ in range(warmup + count)]
            plan = Plan(f"{api.url}/", "", "", {}, count, connections=CONNECTIONS, warmup=warmup, requests=requests)
            meter = place.meter({API: api})
            outcome = load(plan)
            used = meter.lap()
        place.cpu.add(BENCH, OURS, "callback", used, warmup + count)
        rates.append(count / outcome.seconds)
        latencies.append(outcome.latencies)
        place.forget()
    measure = f"callbacks a second, proved and committed, {CONNECTIONS} connections"
    rate = median(rates)
    return [
        Row(BENCH, measure, f"{rate:,.0f}", target=at_least(rate, RATE_TARGET, "a second")),
        *latency_rows(BENCH, latencies, [], percents=(50, 95), limits={95: P95_TARGET_MS}),
    ]


def event(url: str) -> str:
    """One request, ready for the wire: a delivered mail, whose message is not kept here any more."""
    message = new_id()
    told = {"email_id": str(new_id()), "to": ["jane@example.org"], "tags": {"singr_message": message.hex}}
    body = json.dumps({"type": "email.delivered", "created_at": "2026-11-27T20:00:00.000Z", "data": told})
    identity, stamp = f"msg_{message.hex}", str(int(time.time()))
    head = (
        f"POST /v1/webhooks/resend HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nsvix-id: {identity}\r\nsvix-timestamp: {stamp}\r\n"
        f"svix-signature: {signature(identity, stamp, body)}\r\n\r\n"
    )
    return head + body


def signature(identity: str, stamp: str, body: str) -> str:
    """As Standard Webhooks 1.0.0 has it."""
    digest = hmac.digest(base64.b64decode(KEY), f"{identity}.{stamp}.{body}".encode(), "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
