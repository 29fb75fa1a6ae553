"""What stands on our side of `outside_service.py`: an issuer with its keys, and a service that verifies signatures."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from singr_auth import AccessTokenIssuer, KeyRing, SignatureError, new_api_key, new_signing_secret, verify_request
from singr_config import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "docs" / "guides" / "examples"
ISSUER = AUDIENCE = "system.singrkaraoke.com"
ORGANIZATION = "01920000-0000-7000-8000-000000000001"
KEY = new_api_key().secret


def new_ring() -> KeyRing:
    """A signing key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    return KeyRing.from_pem(Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()))


@contextlib.contextmanager
def serving(ring: KeyRing, secret: Secret) -> Iterator[str]:
    """Publish the keys, and take signed requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/organizations":
                self.answer(200, {"items": [{"id": ORGANIZATION, "permissions": ["requests:process"]}]})
            else:
                self.answer(200, ring.jwks())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            named = {part: self.headers[f"x-singr-{part}"] for part in ("timestamp", "nonce", "signature")}
            try:
                verify_request(secret=secret, method="POST", path=self.path, body=body, now=time.time(), **named)
            except SignatureError as error:
                self.answer(401, {"detail": error.message})
            else:
                self.answer(200, self.introspected(body) if self.path == "/v1/introspect" else {"key": "outside"})

        def introspected(self, body: bytes) -> dict[str, Any]:
            if parse_qs(body.decode()) != {"token": [KEY.reveal()]}:
                return {"active": False}
            told = {"scope": "requests:process", "client_id": "ak_outside", "token_type": "api_key"}
            return {"active": True, "organization_id": ORGANIZATION, **told}

        def answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def tokens(ring: KeyRing) -> dict[str, Any]:
    """Tokens of one person: one that must pass, and some that must not."""
    user_id, session_id = uuid4(), uuid4()
    now = time.time()

    def issued(keys: KeyRing = ring, *, audience: str = AUDIENCE, issuer: str = ISSUER, at: float = now) -> str:
        moment = dt.datetime.fromtimestamp(at, dt.UTC)
        maker = AccessTokenIssuer(keys, issuer=issuer, audience=audience, ttl=900)
        return maker.issue(user_id, session_id, methods=["pwd"], authenticated_at=moment, now=at).token.reveal()

    good = issued()
    header, payload, _ = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    return {
        "user_id": str(user_id),
        "good": [good, issued(at=now - 600)],
        "bad": {
            "of another key": issued(new_ring()),
            "for another audience": issued(audience="elsewhere.example"),
            "of another issuer": issued(issuer="elsewhere.example"),
            "expired": issued(at=now - 1000),
            "without a signature": f"{unsigned}.{payload}.",
            "with another's signature": f"{header}.{payload}.{issued(at=now - 1).rpartition('.')[2]}",
            "cut short": good[:-1],
            "no token": "nonsense",
        },
    }


def check_outside(python: Path, folder: Path, framework: str = "") -> None:
    """Let a Python that has the wheels alone verify tokens and sign a request; or serve, with one of the frameworks.

    Raises:
        SystemExit: something went wrong there.
    """
    ring, secret = new_ring(), new_signing_secret()
    with serving(ring, secret) as url:
        given = tokens(ring) | {
            "url": url,
            "keys_url": f"{url}/.well-known/jwks.json",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "signed_url": f"{url}/v1/jobs",
            "secret": secret.reveal(),
            "framework": framework,
            "organization": ORGANIZATION,
            "api_key": KEY.reveal(),
            "other_key": new_api_key().secret.reveal(),
        }
        program = folder / "outside_service.py"
        program.write_bytes((HERE / "outside_service.py").read_bytes())
        # a copy elsewhere, so that nothing of the workspace lies beside it
        run = subprocess.run(
            [python, "-I", program, EXAMPLES], input=json.dumps(given).encode(), cwd=folder, check=False, timeout=120
        )
    if run.returncode:
        raise SystemExit("a service with the wheels alone cannot do what the guide says")
