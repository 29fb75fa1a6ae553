"""A Litestar service lets nobody in whom it only seems to ask about."""

from typing import Any

import pytest
from litestar import Controller, Litestar, Router, WebSocket, get, post, websocket
from litestar.di import NamedDependency
from litestar.exceptions import ImproperlyConfiguredException, WebSocketDisconnect
from litestar.testing import TestClient
from service_support import FOREIGN, OWN, SIGNED_IN, access, answering, unreachable

from singr_auth import Principal
from singr_auth.litestar import SingrAuth

NOBODY: dict[str, str] = {}


@pytest.fixture
def singr() -> SingrAuth:
    return SingrAuth(access())


def status(app: Litestar, path: str, headers: dict[str, str]) -> int:
    return TestClient(app).get(path, headers=headers).status_code


def ignores(**options: Any) -> Any:
    @get("/", **options)
    async def handler() -> str:
        return "open"

    return handler


def test_guard_asks_though_the_handler_names_no_caller(singr: SingrAuth) -> None:
    app = Litestar([ignores(guards=[singr.guard("jobs:read")])], plugins=[singr])
    assert [status(app, "/", headers) for headers in (NOBODY, SIGNED_IN)] == [401, 200]


def test_guard_refuses_who_lacks_the_permission(singr: SingrAuth) -> None:
    app = Litestar([ignores(guards=[singr.guard("jobs:write")])], plugins=[singr])
    assert status(app, "/", SIGNED_IN) == 403


def test_guards_of_keys_and_persons_refuse_nobody(singr: SingrAuth) -> None:
    for guard in (singr.api_key_guard, singr.person_guard):
        assert status(Litestar([ignores(guards=[guard])], plugins=[singr]), "/", NOBODY) == 401


@pytest.mark.parametrize("name", ["require", "api_key", "person"])
def test_caller_that_no_parameter_takes_is_refused_when_the_app_is_built(singr: SingrAuth, name: str) -> None:
    given = singr.require("jobs:read") if name == "require" else getattr(singr, name)
    with pytest.raises(ImproperlyConfiguredException, match="no parameter takes its dependency 'caller'"):
        Litestar([ignores(dependencies={"caller": given})], plugins=[singr])


def test_guard_that_asks_for_less_does_not_stand_in_for_a_permission(singr: SingrAuth) -> None:
    weak = ignores(guards=[singr.api_key_guard], dependencies={"caller": singr.require("jobs:write")})
    with pytest.raises(ImproperlyConfiguredException, match="no parameter takes its dependency 'caller'"):
        Litestar([weak], plugins=[singr])


def test_caller_of_a_router_that_a_handler_does_not_take_is_refused(singr: SingrAuth) -> None:
    router = Router("/r", route_handlers=[ignores()], dependencies={"caller": singr.require("jobs:read")})
    with pytest.raises(ImproperlyConfiguredException, match="lets everybody in"):
        Litestar([router], plugins=[singr])


def test_caller_of_a_controller_that_a_handler_does_not_take_is_refused(singr: SingrAuth) -> None:
    class Things(Controller):
        dependencies = {"caller": singr.require("jobs:read")}  # noqa: RUF012 — as Litestar has it

        @get("/")
        async def read(self) -> str:
            return "open"

    with pytest.raises(ImproperlyConfiguredException, match="lets everybody in"):
        Litestar([Things], plugins=[singr])


def test_permission_of_the_app_that_a_handler_does_not_take_is_refused(singr: SingrAuth) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="lets everybody in"):
        Litestar([ignores()], dependencies={"caller": singr.require("jobs:read")}, plugins=[singr])


def test_person_of_the_app_is_there_for_those_who_take_it(singr: SingrAuth) -> None:
    app = Litestar([ignores()], dependencies={"person": singr.person}, plugins=[singr])
    assert status(app, "/", NOBODY) == 200


def test_lifespan_without_the_plugin_refuses_to_start(singr: SingrAuth) -> None:
    app = Litestar([ignores(dependencies={"caller": singr.require("jobs:read")})], lifespan=[singr.lifespan])
    with pytest.raises(BaseException) as caught, TestClient(app):  # noqa: PT011 — in groups, or not, by version
        pass
    assert caught.group_contains(ImproperlyConfiguredException) or caught.errisinstance(ImproperlyConfiguredException)


def test_caller_that_another_dependency_takes_is_asked(singr: SingrAuth) -> None:
    async def name(caller: NamedDependency[Principal]) -> str:
        return caller.key_id

    @get("/", dependencies={"caller": singr.require("jobs:read"), "name": name})
    async def handler(name: NamedDependency[str]) -> str:
        return name

    app = Litestar([handler], plugins=[singr])
    assert [status(app, "/", headers) for headers in (NOBODY, SIGNED_IN)] == [401, 200]


@pytest.mark.parametrize("name", ["org_id", "org", "organization", "organisationId", "tenant_id"])
def test_path_that_may_name_an_organization_is_not_passed_over(singr: SingrAuth, name: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=f"organization='{name}'"):
        Litestar([_in_path(singr.guard("jobs:read"), name)], plugins=[singr])
    app = Litestar([_in_path(singr.guard("jobs:read"), name)])  # and without the plugin
    assert status(app, f"/{FOREIGN}", SIGNED_IN | {"x-singr-organization": OWN}) == 500


def test_organization_that_is_named_is_judged(singr: SingrAuth) -> None:
    app = Litestar([_in_path(singr.guard("jobs:read", organization="org_id"), "org_id")], plugins=[singr])
    header = SIGNED_IN | {"x-singr-organization": OWN}
    assert [status(app, f"/{one}", header) for one in (FOREIGN, OWN)] == [403, 200]


def test_organization_that_the_path_lacks_is_refused(singr: SingrAuth) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="no parameter org_id"):
        Litestar([ignores(guards=[singr.guard("jobs:read", organization="org_id")])], plugins=[singr])


def test_header_may_be_chosen_whatever_the_path_says(singr: SingrAuth) -> None:
    app = Litestar([_in_path(singr.guard("jobs:read", organization=None), "org_chart")], plugins=[singr])
    assert status(app, "/x", SIGNED_IN) == 200


def test_document_shows_what_each_route_takes(singr: SingrAuth) -> None:
    @post("/", guards=[singr.person_guard])
    async def make() -> None: ...

    document = Litestar([ignores(guards=[singr.guard("jobs:read")]), make], plugins=[singr]).openapi_schema.to_schema()
    assert document["components"]["securitySchemes"] == {
        "SingrAccessToken": {"type": "http", "scheme": "bearer"},
        "SingrApiKey": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    }
    assert document["paths"]["/"]["get"]["security"] == [{"SingrAccessToken": []}, {"SingrApiKey": []}]
    assert document["paths"]["/"]["post"]["security"] == [{"SingrAccessToken": []}]
    assert "securitySchemes" not in Litestar([]).openapi_schema.to_schema()["components"]


@pytest.mark.parametrize("form", ["guard", "dependency"])
@pytest.mark.parametrize(("asked", "code"), [(answering, 1008), (unreachable, 1013)])
def test_websocket_of_who_is_refused_is_closed(form: str, asked: Any, code: int) -> None:
    singr = SingrAuth(access(asked))

    @websocket("/guard", guards=[singr.guard("jobs:write")])
    async def guarded(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()

    @websocket("/dependency", dependencies={"caller": singr.require("jobs:write")})
    async def asking(socket: WebSocket[Any, Any, Any], caller: NamedDependency[Principal]) -> None:
        await socket.accept()

    client = TestClient(Litestar([guarded, asking], plugins=[singr]))
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect(f"/{form}", headers=SIGNED_IN):
        pass
    assert caught.value.code == code


def test_websocket_tells_who_came(singr: SingrAuth) -> None:
    @websocket("/", dependencies={"caller": singr.require("jobs:read")})
    async def handler(socket: WebSocket[Any, Any, Any], caller: NamedDependency[Principal]) -> None:
        await socket.accept()
        await socket.send_text(caller.key_id)
        await socket.close()

    with TestClient(Litestar([handler], plugins=[singr])).websocket_connect("/", headers=SIGNED_IN) as socket:
        assert socket.receive_text() == "ak_x"


def _in_path(guard: Any, name: str) -> Any:
    @get(f"/{{{name}:str}}", guards=[guard])
    async def handler() -> str:
        return "in"

    return handler
