"""A tour of Singr in a minute: `make try`, beside `make run` in another window.

Sends an e-mail and an SMS as another service would, follows them to the recipient, repeats a request, breaks one.
Each step is checked; the exit code is 1, with the reason, when one is not as it should be.
"""

import functools
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any, NoReturn

import httpx
import msgspec

from singr_dev import DevError
from singr_dev.client import DevClient
from singr_dev.stack import Runtime, StateDirectory

ACCEPTED = 202
UNPROCESSABLE = 422
START_SECONDS = 60


class Tour:
    """The steps, in order; each prints what it did and stops the tour when something is wrong."""

    def __init__(self, runtime: Runtime, client: DevClient) -> None:
        self.runtime = runtime
        self.client = client
        tag = uuid.uuid4().hex[:8]
        self.email = f"host.{tag}@example.org"
        self.phone = f"+1555{uuid.uuid4().int % 10_000_000:07d}"
        self.requests: dict[str, tuple[dict[str, Any], str]] = {
            "email.send": (
                {"to": {"email": self.email, "name": "Jo Host"}, "message": song("https://singrkaraoke.com/requests")},
                f"try-email-{tag}",
            ),
            "sms.send": ({"to": self.phone, "message": song("https://singr.app/r")}, f"try-sms-{tag}"),
        }
        self.answers: dict[str, httpx.Response] = {}

    def send(self) -> None:
        """One signed, idempotent request for each message."""
        heading(1, "A song request, as e-mail and as SMS: two signed requests with an Idempotency-Key")
        for job_type, (payload, key) in self.requests.items():
            answer, milliseconds = self._post(job_type, payload, key)
            if answer.status_code != ACCEPTED:
                stop(f"POST /v1/jobs ({job_type}) was answered {answer.status_code}", answer)
            self.answers[job_type] = answer
            line("POST /v1/jobs", job_type.ljust(10), "202", f"job {answer.json()['id']}", f"{milliseconds:.0f} ms")

    def follow(self) -> None:
        """Both jobs, until they are completed."""
        heading(2, "What became of the jobs: GET /v1/jobs/{id}")
        for job_type, answer in self.answers.items():
            states = [answer.json()["status"]]
            job = self.client.follow(answer.json()["id"], on_change=functools.partial(_note, states))
            if job["status"] != "completed":
                stop(f"the job {job_type} is {job['status']}, not completed", job)
            line(
                job_type.ljust(10),
                " > ".join(dict.fromkeys(states)),
                f"attempt {job['attempt']} of {job['max_attempts']}",
            )

    def log(self) -> None:
        """What the delivery log says of them."""
        heading(3, "The delivery log: GET /v1/deliveries (recipients masked)")
        rows = []
        for job_type, answer in self.answers.items():
            found = self.client.deliveries(job_id=answer.json()["id"])
            if len(found) != 1 or found[0]["status"] != "sent":
                stop(f"the delivery log should have one sent message of {job_type}", found)
            entry = found[0]
            rows.append(
                [
                    entry["channel"],
                    entry["kind"],
                    entry["status"],
                    entry["recipient"],
                    entry["provider"],
                    entry["provider_message_id"] or "-",
                ]
            )
        table(["channel", "kind", "status", "recipient", "provider", "provider's id"], rows)

    def arrived(self) -> None:
        """The mail and the SMS, at their recipients."""
        heading(4, "As they arrived")
        if self.runtime.mail_in_inbox:
            mails = self._mails(expected=1)
            mail = get(f"{self.runtime.inbox}/api/messages/{mails[0]['id']}")
            for name in ("from", "to", "subject"):
                line(name.ljust(8), mail[name])
            quote(mail["text"])
            line("look at it:", f"{self.runtime.inbox}/mail/{mail['id']}")
        else:
            line("e-mail went to the provider that EMAIL_PROVIDER names: look there")
        if self.runtime.sms_in_simulator:
            for sms in self._sms(expected=1):
                print()
                line("SMS".ljust(8), f"{sms['From']} to {sms['To']}")
                quote(sms["Body"])

    def repeat(self) -> None:
        """The same request with the same key: the same answer, and nothing twice."""
        heading(5, "The same e-mail request once more, with the same Idempotency-Key")
        payload, key = self.requests["email.send"]
        answer, milliseconds = self._post("email.send", payload, key)
        first = self.answers["email.send"]
        same = (answer.status_code, answer.content) == (first.status_code, first.content)
        if not same:
            stop("the repeated request got another answer", answer)
        line(
            "POST /v1/jobs",
            "email.send",
            str(answer.status_code),
            "the same answer, byte for byte",
            f"{milliseconds:.0f} ms",
        )
        time.sleep(0.3)  # a second message would have been on its way by now
        entries = self.client.deliveries(job_id=first.json()["id"])
        if len(entries) != 1:
            stop("the repeated request left a second message in the delivery log", entries)
        mails = f", {len(self._mails(expected=1))} mail in the inbox" if self.runtime.mail_in_inbox else ""
        line(f"still {len(entries)} message in the log{mails}: nothing was sent twice")

    def break_one(self) -> None:
        """A request that is wrong, and what the answer says of it."""
        heading(6, "A broken request: no title, a field that does not exist, no address")
        wrong = {"to": {"email": "nobody"}, "message": {**song("https://singr.app/r"), "tittle": "?"}}
        del wrong["message"]["title"]
        answer, _ = self._post("email.send", wrong, f"try-broken-{uuid.uuid4()}")
        if answer.status_code != UNPROCESSABLE or answer.headers["content-type"] != "application/problem+json":
            stop(f"a broken request was answered {answer.status_code}", answer)
        problem = answer.json()
        line("POST /v1/jobs", "email.send", str(answer.status_code), answer.headers["content-type"])
        for name in ("title", "detail", "type", "request_id"):
            line(name.ljust(10), str(problem.get(name, "")))
        for error in problem.get("errors", []):
            line("error".ljust(10), f"{error['field']}: {error['message']}")

    def _post(self, job_type: str, payload: dict[str, Any], key: str) -> tuple[httpx.Response, float]:
        began = time.perf_counter()
        answer = self.client.create_job(job_type, payload, idempotency_key=key)
        return answer, (time.perf_counter() - began) * 1000

    def _mails(self, *, expected: int) -> list[dict[str, Any]]:
        everything = get(f"{self.runtime.inbox}/api/messages")["messages"]
        mine = [mail for mail in everything if self.email in mail["to"] or self.email == mail["meant_for"]]
        if len(mine) != expected:
            stop(f"the inbox should hold {expected} mail to {self.email}, and holds {len(mine)}", mine)
        return mine

    def _sms(self, *, expected: int) -> list[dict[str, Any]]:
        received = get(f"{self.runtime.twilio}/_control/received")["received"]
        mine = [item["message"] for item in received if item["message"]["To"] == self.phone]
        if len(mine) != expected:
            stop(f"the SMS simulator should have {expected} message to {self.phone}, and has {len(mine)}", mine)
        return mine


def _note(states: list[str], job: dict[str, Any]) -> None:
    states.append(job["status"])


def song(link: str) -> dict[str, Any]:
    """A song-request message."""
    return {
        "kind": "song_request",
        "venue_name": "Demo Karaoke",
        "artist": "Fleetwood Mac",
        "title": "Go Your Own Way",
        "singer_name": "Stevie",
        "link": link,
    }


def get(url: str) -> dict[str, Any]:
    """A JSON document of the inbox or the simulator."""
    answer = httpx.get(url, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def heading(number: int, text: str) -> None:
    """Begin a step."""
    print(f"\n{number}  {text}")


def line(*parts: str) -> None:
    """One line of a step."""
    print(("   " + "  ".join(parts)).rstrip())


def quote(text: str) -> None:
    """A message's own words."""
    for row in text.strip().splitlines():
        print(f"   | {row}".rstrip())


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns."""
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        line(*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def stop(reason: str, shown: object = None) -> NoReturn:
    """End the tour: something is not as it should be."""
    print(f"\nThis is not as it should be: {reason}.", file=sys.stderr)
    if isinstance(shown, httpx.Response):
        shown = shown.text[:2000]
    elif shown is not None:
        shown = msgspec.json.format(msgspec.json.encode(shown)).decode()
    if shown:
        print(shown, file=sys.stderr)
    sys.exit(1)


def main() -> None:
    """Find what runs here and take the tour."""
    state = StateDirectory()
    runtime = state.running(START_SECONDS if state.runner() is not None else 0)
    if runtime is None:
        stop(f"nothing runs in {state.path}. Start Singr in another window with `make run`, then try again")
    print(f"Singr at {runtime.api}, called as service {runtime.key_id!r} for organization {runtime.organization_id}")
    try:
        with DevClient(runtime) as client:
            tour = Tour(runtime, client)
            for step in (tour.send, tour.follow, tour.log, tour.arrived, tour.repeat, tour.break_one):
                step()
    except (DevError, httpx.HTTPError) as error:
        stop(str(error) or type(error).__name__)
    print(f"\nAll as it should be. The API is described at {runtime.docs}")


if __name__ == "__main__":
    main()
