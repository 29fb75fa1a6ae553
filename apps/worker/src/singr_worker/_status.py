"""Health and metrics of a worker over HTTP: three addresses, no framework."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import msgspec

from singr_observability import Metrics
from singr_worker._heartbeat import NOT_SET


class Reports(Protocol):
    """What is asked of the supervisor."""

    def status(self) -> tuple[bool, list[dict[str, object]]]:
        """Whether all is well, and the processes."""
        ...


class StatusApp:
    """`/health`: 200 while every process is responsive; `/ready`: and reaches its database; `/metrics`.

    Where Redis or RabbitMQ is away, or refuses something, `/ready` is 200 and its status `degraded`: jobs are found by
    polling. A site may do without the one or the other, which is then "not set".
    So it is where a process takes nothing more of a queue, told under `overrun`, since too many handlers do not end.
    Due jobs that no running worker knows are told by each process under `unknown`, and change no status: others run.
    """

    def __init__(self, reports: Reports, metrics: Metrics) -> None:
        self._reports = reports
        self._metrics = metrics

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        status, content_type, body = self._answer(scope["raw_path"].decode("latin-1"), scope["method"])
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        if status == 405:  # noqa: PLR2004 - the status itself says it
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, path: str, method: str) -> tuple[int, bytes, bytes]:
        if method not in {"GET", "HEAD"}:
            return 405, b"text/plain", b"only GET and HEAD here\n"
        if path == "/metrics":
            body, content_type = self._metrics.render_text()
            return 200, content_type.encode(), body
        if path in {"/health", "/ready"}:
            well, processes = self._reports.status()
            if path == "/ready":
                well = well and all(process["database"] == "ok" for process in processes)
            slow = path == "/ready" and any(map(_is_slow, processes))
            status = ("degraded" if slow else "ok") if well else "unavailable"
            document = {"status": status, "processes": processes}
            return 200 if well else 503, b"application/json", msgspec.json.encode(document)
        return 404, b"text/plain", b"here are /health, /ready and /metrics\n"


def _is_slow(process: dict[str, object]) -> bool:
    carriers = (process.get(carrier, "ok") for carrier in ("redis", "rabbitmq"))
    return bool(process.get("overrun")) or any(carrier not in {"ok", "unknown", NOT_SET} for carrier in carriers)
