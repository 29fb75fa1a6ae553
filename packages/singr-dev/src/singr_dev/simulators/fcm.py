"""Firebase Cloud Messaging v1 on loopback, with the token endpoint that stands before it.

with fcm.serve() as simulator:
    ...  # send to simulator.base_url
    assert simulator.on_device("a-token")[0]["notification"]["title"] == "…"
"""

import base64
import contextlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_config.clock import clock
from singr_dev.simulators import _fcm_rules as rules
from singr_dev.simulators._fcm_rules import Platform
from singr_dev.simulators._simulator import Answer, Received, Simulator

__all__ = ["REMOVED", "FcmSimulator", "Platform", "serve"]

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Either lets a service account send (https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send).
_SCOPES: Final = frozenset(
    f"https://www.googleapis.com/auth/{name}" for name in ("firebase.messaging", "cloud-platform")
)
_GOOGLES_OWN: Final = "https://oauth2.googleapis.com/token"  # what Google's library writes, wherever it asks
_LIVES: Final = 3600
REMOVED: Final = "unregistered-"
"""How tokens begin whose app was always removed."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:-]{8,4096}")


@cache
def _made_up() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _loaded(private_key: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(private_key.replace("\\n", "\n").encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a service account's key is an RSA key")
    return key


class FcmSimulator(Simulator):
    """`POST /v1/projects/{project}/messages:send`, topics' subscriptions, and `POST /token` for a service account.

    Args:
        project_id: the Firebase project.
        client_email: its service account.
        private_key: the account's key, PEM; None makes one up.

    Attributes:
        unregistered: tokens of apps that were removed.
        of_others: tokens that were made for another project.
        without_apns: whether the project has no key for Apple's service.
        topics: FCM's own, each with the devices in it.
    """

    def __init__(
        self,
        *,
        project_id: str = "singr-simulator",
        client_email: str = "push@singr-simulator.iam.gserviceaccount.com",
        private_key: str | None = None,
    ) -> None:
        self.project_id, self.client_email = project_id, client_email
        self._key = _made_up() if private_key is None else _loaded(private_key)
        self.unregistered: set[str] = set()
        self.of_others: set[str] = set()
        self.without_apns = False
        self.topics: dict[str, set[str]] = {}
        self._reached: dict[str, frozenset[str]] = {}
        self.tokens_given = 0
        self._access: dict[str, float] = {}
        super().__init__()

    @property
    def private_key(self) -> str:
        """The service account's key, PEM."""
        form = serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    @property
    def token_url(self) -> str:
        """Where access tokens come from."""
        return f"{self.base_url}/token"

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""
        return {
            "PUSH_PROVIDER": "fcm",
            "FIREBASE_PROJECT_ID": self.project_id,
            "FIREBASE_CLIENT_EMAIL": self.client_email,
            "FIREBASE_PRIVATE_KEY": self.private_key.replace("\n", "\\n"),
            "FIREBASE_BASE_URL": self.base_url,
            "FIREBASE_TOKEN_URL": self.token_url,
        }

    def on_device(self, token: str, platform: Platform | None = None) -> list[Mapping[str, Any]]:
        """What a device shows, oldest first: a message with a tag that is shown already replaces that one.

        Args:
            token: whose.
            platform: what it is, and so what it takes for a tag; unless given it may be any, and shows one for another
                only where each would.
        """
        shown: dict[object, Mapping[str, Any]] = {}
        for one in self.received:
            if token in self._reached[one.id]:
                tags = [rules.tag_of(one.message, each) for each in ([platform] if platform else rules.PLATFORMS)]
                shown[tuple(tags) if all(tags) else one.id] = one.message
        return list(shown.values())

    def revoke(self) -> None:
        """Let no access token count any more that was given so far."""
        self._access.clear()

    def reset(self) -> None:
        """Forget what was received, planned and told of tokens."""
        super().reset()
        self.unregistered.clear()
        self.of_others.clear()
        self.topics.clear()
        self._reached.clear()
        self.without_apns, self.tokens_given = False, 0
        self.revoke()

    def routes(self) -> list[Route]:
        """Sending, subscribing, and the token endpoint."""
        subscriptions = "/v1/projects/{project}/registrations/{device}/topicSubscriptions"
        return [
            Route(subscriptions, self._subscribe, methods=["POST"]),
            Route(subscriptions + "/{topic}", self._unsubscribe, methods=["DELETE"]),
            Route("/v1/projects/{project}/messages:send", self._send, methods=["POST"]),
            Route("/token", self._give_token, methods=["POST"]),
        ]

    def fault_body(self, status: int) -> Any:
        """FCM's error body."""
        said = {429: ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), 503: ("UNAVAILABLE", "UNAVAILABLE")}
        return rules.error(status, *said.get(status, ("INTERNAL", "INTERNAL")), "Simulated.")

    async def _subscribe(self, request: Request) -> Response:
        query = request.query_params
        topic = query.get("topicName") or query.get("topic_name") or ""
        if refused := self._stranger(request) or self._no_subscription(request, topic):
            return refused
        device, devices = request.path_params["device"], self.topics.setdefault(topic, set())
        if device in devices:
            return await self.respond(request, Answer(409, rules.error(409, "ALREADY_EXISTS", None, "Exists already.")))
        name = f"projects/{self.project_id}/registrations/{device}/topicSubscriptions/{topic}"
        answer = Answer(200, {"name": name, "topic_name": topic}, then=lambda: devices.add(device))
        return await self.respond(request, answer)

    async def _unsubscribe(self, request: Request) -> Response:
        topic = request.path_params["topic"]
        if refused := self._stranger(request) or self._no_subscription(request, topic):
            return refused
        device, devices = request.path_params["device"], self.topics.get(topic, set())
        if device not in devices:
            gone = rules.error(404, "NOT_FOUND", None, "Requested entity was not found.")
            return await self.respond(request, Answer(404, gone))
        return await self.respond(request, Answer(200, {}, then=lambda: devices.discard(device)))

    def _no_subscription(self, request: Request, topic: str) -> Response | None:
        if not rules.TOPIC.fullmatch(topic):
            problem = rules.error(
                400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Invalid topic name.", field="topic_name"
            )
        else:
            problem = self._device_problem({"token": request.path_params["device"]}) or {}
        return JSONResponse(problem, problem["error"]["code"]) if problem else None

    async def _send(self, request: Request) -> Response:
        if refused := self._stranger(request):
            return refused
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if problem := rules.problem(body) or self._device_problem(body["message"]):
            return await self.respond(request, Answer(problem["error"]["code"], problem))
        message = body["message"]
        name = f"projects/{self.project_id}/messages/0:{secrets.token_hex(12)}"
        accepted = Received(name.rpartition("/")[2], message, dict(request.headers))
        to = {message["token"]} if "token" in message else self.topics.get(message["topic"], set())
        self._reached[accepted.id] = frozenset(to)
        return await self.respond(request, Answer(200, {"name": name}, (accepted,)))

    def _stranger(self, request: Request) -> Response | None:
        """The refusal of whoever may not send for the project."""
        self.count()
        if not self._knows(request.headers.get("authorization", "")):
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            return JSONResponse(rules.error(401, "UNAUTHENTICATED", None, text), 401)
        if request.path_params["project"] != self.project_id:
            text = "Permission 'cloudmessaging.messages.create' denied on this project."
            return JSONResponse(rules.error(403, "PERMISSION_DENIED", None, text), 403)
        return None

    def _device_problem(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        token = message.get("token")
        if token is None:
            return None
        if not _TOKEN.fullmatch(token):
            text = "The registration token is not a valid FCM registration token"
            return rules.error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", text, field="message.token")
        if token in self.unregistered or token.startswith(REMOVED):
            return rules.error(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found.")
        if token in self.of_others:
            return rules.error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch")
        if self.without_apns:
            text = "Auth error from APNS or Web Push Service"
            return rules.error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", text)
        return None

    def _knows(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._access.get(token, 0.0) > clock.time()

    async def _give_token(self, request: Request) -> Response:
        fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
        if fields.get("grant_type") != _GRANT:
            return JSONResponse({"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}, 400)
        if wrong := self._wrong_assertion(fields.get("assertion", "")):
            return JSONResponse({"error": "invalid_grant", "error_description": wrong}, 400)
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._access[token] = clock.time() + _LIVES
        self.tokens_given += 1
        return JSONResponse({"access_token": token, "expires_in": _LIVES, "token_type": "Bearer"})

    def _wrong_assertion(self, assertion: str) -> str | None:
        try:
            signed, _, signature = assertion.rpartition(".")
            self._key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        except (ValueError, InvalidSignature):
            return "Invalid JWT Signature."
        if head.get("alg") != "RS256" or claims.get("iss") != self.client_email:
            return "Invalid grant: account not found"
        if claims.get("aud") not in {self.token_url, _GOOGLES_OWN} or not _SCOPES & {*str(claims.get("scope")).split()}:
            return "Invalid JWT: Failed audience check or scope."
        if not claims["iat"] - 60 <= clock.time() < claims["exp"] <= claims["iat"] + _LIVES:
            return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        return None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@contextlib.contextmanager
def serve(port: int = 0, **options: Any) -> Iterator[FcmSimulator]:
    """Serve a simulator (options: see its class) on loopback for the length of the block."""
    with FcmSimulator(**options).serve(port) as simulator:
        yield simulator
