"""Metrics on an address of their own: a small app that serves nothing else."""

from typing import TYPE_CHECKING

from singr_config import Settings
from singr_observability import Metrics, run_in_thread

if TYPE_CHECKING:  # served by the process that supervises, which loads nothing of the API
    from singr_api.http.edge import ASGIApp, Receive, Scope, Send


def metrics_apart(settings: Settings) -> bool:
    """Tell whether metrics are served on an address of their own."""
    return bool(settings.app.metrics_host) or settings.app.metrics_port is not None


def metrics_app(metrics: Metrics) -> "ASGIApp":
    """Return an app that answers GET /metrics, and nothing else."""

    async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        found = scope["type"] == "http" and scope["raw_path"] == b"/metrics" and scope["method"] in {"GET", "HEAD"}
        body, content_type = await run_in_thread(metrics.render_text) if found else (b"Not found\n", "text/plain")
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


async def _lifespan(receive: "Receive", send: "Send") -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return
