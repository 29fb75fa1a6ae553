"""A FastAPI service judges the organization that its path names, and knows who opens a WebSocket."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient  # plain ASGI; the one of FastAPI wants a library that nothing here needs
from service_support import FOREIGN, OWN, SIGNED_IN, access, unreachable

from singr_auth import Principal
from singr_auth.fastapi import SingrAuth


@pytest.fixture
def singr() -> SingrAuth:
    return SingrAuth(access())


def status(dependency: Any, name: str, value: str) -> int:
    app = FastAPI()

    @app.get(f"/{{{name}}}", dependencies=[Depends(dependency)])
    async def handler() -> None: ...

    headers = SIGNED_IN | {"x-singr-organization": OWN}
    return TestClient(app).get(f"/{value}", headers=headers).status_code


@pytest.mark.parametrize("name", ["org_id", "org", "organization", "organisationId", "tenant_id"])
def test_path_that_may_name_an_organization_is_not_passed_over(singr: SingrAuth, name: str) -> None:
    assert status(singr.require("jobs:read"), name, FOREIGN) == 500


@pytest.mark.parametrize(("value", "answer"), [(FOREIGN, 403), (OWN, 200), ("x", 400)])
@pytest.mark.parametrize("name", ["organization_id", "org_id"])
def test_organization_of_the_path_is_judged(singr: SingrAuth, name: str, value: str, answer: int) -> None:
    given = {} if name == "organization_id" else {"organization": name}
    assert status(singr.require("jobs:read", **given), name, value) == answer


def test_empty_organization_of_the_path_is_not_the_headers(singr: SingrAuth) -> None:
    assert status(singr.require("jobs:read", organization="org"), "org:path", "") == 400


def test_organization_that_the_path_lacks_is_refused(singr: SingrAuth) -> None:
    assert status(singr.require("jobs:read", organization="org_id"), "thing", OWN) == 500


def test_header_names_the_organization_of_other_paths(singr: SingrAuth) -> None:
    assert status(singr.require("jobs:read"), "thing_id", "x") == 200
    assert status(singr.require("jobs:read", organization=None), "org_chart", "x") == 200


def sockets(singr: SingrAuth) -> TestClient[Any]:
    app = FastAPI()

    async def answer(socket: WebSocket, who: Any) -> None:
        await socket.accept()
        await socket.send_text(getattr(who, "key_id", "somebody"))
        await socket.close()

    @app.websocket("/person")
    async def person(socket: WebSocket, who: Annotated[Any, Depends(singr.person)]) -> None:
        await answer(socket, who)

    @app.websocket("/key")
    async def key(socket: WebSocket, who: Annotated[Principal, Depends(singr.api_key)]) -> None:
        await answer(socket, who)

    @app.websocket("/caller")
    async def caller(socket: WebSocket, who: Annotated[Principal, Depends(singr.require("jobs:read"))]) -> None:
        await answer(socket, who)

    return TestClient(app)


@pytest.mark.parametrize("path", ["person", "key", "caller"])
def test_websocket_of_who_is_refused_is_closed_with_1008(singr: SingrAuth, path: str) -> None:
    with pytest.raises(WebSocketDisconnect) as caught, sockets(singr).websocket_connect(f"/{path}"):
        pass
    assert (caught.value.code, caught.value.detail[:4]) == (1008, "Send")


def test_websocket_is_closed_with_1013_while_singr_cannot_be_asked() -> None:
    client = sockets(SingrAuth(access(unreachable)))
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/key", headers=SIGNED_IN):
        pass
    assert caught.value.code == 1013


@pytest.mark.parametrize("path", ["key", "caller"])
def test_websocket_tells_who_came(singr: SingrAuth, path: str) -> None:
    with sockets(singr).websocket_connect(f"/{path}", headers=SIGNED_IN) as socket:
        assert socket.receive_text() == "ak_x"


def test_document_shows_what_is_taken(singr: SingrAuth) -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(singr.require("jobs:read"))])
    async def handler() -> None: ...

    assert app.openapi()["components"]["securitySchemes"] == {
        "SingrAccessToken": {"type": "http", "scheme": "bearer"},
        "SingrApiKey": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    }
    assert app.openapi()["paths"]["/"]["get"]["security"] == [{"SingrAccessToken": []}, {"SingrApiKey": []}]
