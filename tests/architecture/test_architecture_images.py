"""Which images can be had, asked of a registry that answers as the real ones do."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from architecture.repository import ROOT
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_dev._serving import serving

SCRIPT = ROOT / "scripts" / "check_images.py"
_spec = importlib.util.spec_from_file_location("check_images", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
check_images = sys.modules["check_images"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_images)

INDEX = "application/vnd.oci.image.index.v1+json"
BOTH = {
    "manifests": [
        {"platform": {"os": "linux", "architecture": architecture}} for architecture in ("amd64", "arm64", "unknown")
    ]
}
Answer = Callable[[Request], Response]


class Registry:
    """One that wants a token of anybody who asks, as Docker Hub and GitHub do; `answer` is for those who have one."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Answer = lambda _: JSONResponse(BOTH, media_type=INDEX)
        self.token: Answer = lambda _: JSONResponse({"token": "for anybody"})
        self.asked: list[str] = []

    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/token", self._token), Route("/v2/{name:path}/manifests/{version}", self._manifest)]
        )

    async def _token(self, request: Request) -> Response:
        assert request.query_params["service"] == "registry.example"
        assert request.query_params["scope"].startswith("repository:")
        return self.token(request)

    async def _manifest(self, request: Request) -> Response:
        self.asked.append(f"{request.path_params['name']}:{request.path_params['version']}")
        scope = f"repository:{request.path_params['name']}:pull"
        if request.headers.get("authorization") != "Bearer for anybody":
            challenge = f'Bearer realm="{self.url}/token",service="registry.example",scope="{scope}"'
            return Response(status_code=401, headers={"www-authenticate": challenge})
        if INDEX not in request.headers["accept"]:
            return Response(status_code=404)  # what lists its kinds of machine is shown to those only who can read it
        return self.answer(request)


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    with serving(made.app()) as made.url:
        yield made


def fate(registry: Registry, reference: str = "some/thing:1.2") -> tuple[str, str]:
    [image] = check_images.images(reference)
    with httpx.Client() as client:
        found, why = check_images.look_up(client, image, registry.url)
    return found.name, why


def always(status: int, body: Any = None, **headers: str) -> Answer:
    return lambda _: JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def test_image_that_is_there_is_found_behind_a_token(registry: Registry) -> None:
    assert fate(registry) == ("THERE", "linux/amd64, linux/arm64")


def test_token_may_be_called_an_access_token(registry: Registry) -> None:
    registry.token = always(200, {"access_token": "for anybody"})
    assert fate(registry)[0] == "THERE"


def test_image_for_one_kind_of_machine_is_there(registry: Registry) -> None:
    registry.answer = always(200, {"schemaVersion": 2, "layers": []})
    assert fate(registry)[0] == "THERE"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_image_that_is_refused_although_one_asked_as_anybody_may_is_gone(registry: Registry, status: int) -> None:
    registry.answer = always(status)
    assert fate(registry)[0] == "GONE"


def test_image_without_one_of_our_platforms_is_gone(registry: Registry) -> None:
    registry.answer = always(200, {"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]})
    assert fate(registry) == ("GONE", "not for linux/arm64")


def test_limit_on_requests_is_no_verdict(registry: Registry) -> None:
    registry.answer = always(429, retry_after="60")
    assert fate(registry) == ("UNKNOWN", "429: asked too often; again in 60 s")


@pytest.mark.parametrize("status", [500, 503])
def test_registry_in_trouble_is_no_verdict(registry: Registry, status: int) -> None:
    registry.answer = always(status)
    assert fate(registry)[0] == "UNKNOWN"


@pytest.mark.parametrize("body", [None, [], "words", {}, {"manifests": 3}, {"manifests": [7]}])
def test_answer_that_is_no_manifest_is_no_verdict(registry: Registry, body: Any) -> None:
    registry.answer = always(200, body)
    assert fate(registry)[0] == "UNKNOWN"


@pytest.mark.parametrize(
    "answer", [always(500), always(401), always(200, {}), always(200, []), always(200, {"token": 7})]
)
def test_token_service_in_trouble_is_no_verdict(registry: Registry, answer: Answer) -> None:
    registry.token = answer
    assert fate(registry)[0] == "UNKNOWN"


def test_registry_that_is_away_is_no_verdict(unused_tcp_port: int) -> None:
    [image] = check_images.images("redis:8-alpine")
    with httpx.Client() as client:
        found, why = check_images.look_up(client, image, f"http://127.0.0.1:{unused_tcp_port}")
    assert (found.name, why) == ("UNKNOWN", "the registry does not answer (ConnectError)")


def test_token_is_fetched_from_a_safe_address_only(registry: Registry) -> None:
    answer = httpx.Response(401, headers={"www-authenticate": 'Bearer realm="http://registry.example/token"'})
    with httpx.Client() as client:
        assert check_images._token(client, answer) is None


@pytest.mark.parametrize(
    ("reference", "host", "name", "version"),
    [
        ("redis:8-alpine", None, "library/redis", "8-alpine"),
        ("axllent/mailpit:v1.27", None, "axllent/mailpit", "v1.27"),
        ("registry.example/some/thing:1", "registry.example", "some/thing", "1"),
        ("localhost:5000/thing:1", "localhost:5000", "thing", "1"),
        (f"redis:8@sha256:{'0' * 64}", None, "library/redis", f"sha256:{'0' * 64}"),
    ],
)
def test_reference_is_read_as_docker_reads_it(reference: str, host: str | None, name: str, version: str) -> None:
    [image] = check_images.images(f"# a word\n\n{reference}  # and another\n")
    assert (image.host, image.name, image.version) == (host, name, version)


@pytest.mark.parametrize("line", ["redis", "redis:", "Redis:8", "../etc:1", "https://registry.example/a:1", "a b:1"])
def test_line_that_names_no_image_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 2 .*redis:8-alpine"):
        list(check_images.images(f"redis:8-alpine\n{line}"))


@pytest.mark.parametrize(
    ("answer", "code"), [(always(200, BOTH), 0), (always(404), 1), (always(429), 3)], ids=["there", "gone", "unknown"]
)
def test_script_asks_for_every_image_of_the_list_and_its_exit_code_tells(
    registry: Registry, answer: Answer, code: int
) -> None:
    registry.answer = answer
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--hub", registry.url], check=False, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    wanted = [image.reference for image in check_images.images((ROOT / "docker" / "images.txt").read_text())]
    assert [line.split()[1] for line in done.stdout.splitlines()] == wanted
    assert len(set(registry.asked)) == len(wanted)


def docker_that_says(folder: Path, words: str) -> dict[str, str]:
    """An environment in which the program `docker` answers so."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{words}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.defpath}"}


def test_registry_is_the_engines_where_none_is_named(registry: Registry, tmp_path: Path) -> None:
    environ = docker_that_says(tmp_path, f"echo {registry.url}/v1/")
    done = subprocess.run([sys.executable, str(SCRIPT)], check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert registry.asked


def test_without_an_engine_the_script_says_what_to_name(tmp_path: Path) -> None:
    environ = docker_that_says(tmp_path, "echo Cannot connect >&2; exit 1")
    done = subprocess.run([sys.executable, str(SCRIPT)], check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 2
    assert "--hub" in done.stderr
    assert "Traceback" not in done.stderr


def test_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--images", str(tmp_path / "none")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr
