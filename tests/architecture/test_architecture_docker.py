"""Images, Compose and Fly agree with the code: variables, ports, commands, health."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from architecture.deployment import (
    DEVELOPMENT,
    DOCKER,
    DOCKERFILE,
    KNOWN,
    compose,
    environment,
    fly,
    image_environment,
    secrets,
    stage,
)
from architecture.repository import ROOT, distributions

from singr_config import Settings, load_settings

OURS = {"api", "worker", "migrate"}


# ---- images ----


@pytest.mark.parametrize(("name", "variable"), [("api", "PORT"), ("worker", "WORKER_PORT")])
def test_an_image_is_not_root_and_tells_how_it_is(name: str, variable: str) -> None:
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", stage("runtime"), re.MULTILINE)
    assert "USER" not in stage(name)
    assert re.search(rf'^HEALTHCHECK .*healthcheck\.py", "{variable}", "/health"', stage(name), re.MULTILINE)
    assert re.search(r"^CMD \[", stage(name), re.MULTILINE)


def test_an_image_listens_where_the_settings_say() -> None:
    for name, section in (("api", "app"), ("worker", "worker")):
        settings = load_settings({**image_environment(name), **secrets()}, env_file=None)
        port = getattr(settings, section).port
        assert port == getattr(DEVELOPMENT, section).port
        assert getattr(settings, section).host == "0.0.0.0"
        assert f"EXPOSE {port}\n" in stage(name)
        assert settings.app.env.is_production


def test_an_image_holds_every_distribution_that_serves() -> None:
    """Not the one for development, nor the command line that people install where they sit."""
    built = re.search(r"for name in ([a-z ]+); do", DOCKERFILE)
    assert built
    names = {f"singr-{name}" for name in built[1].split()}
    assert names == {distribution.name for distribution in distributions()} - {"singr-dev", "singr-cli"}


def test_images_are_built_with_the_uv_of_the_makefile() -> None:
    pinned = re.search(r"^UV_PINNED := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pinned
    assert f"ARG UV_VERSION={pinned[1]}\n" in DOCKERFILE


def test_whatever_an_image_copies_is_let_through_and_nothing_secret_is() -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    assert [source for source in copied if f"!{source}" not in rules or not (ROOT / source).exists()] == []
    assert "*" in rules
    assert "**/.*" in rules


def test_the_health_check_tells_well_from_unwell(unused_tcp_port: int) -> None:
    command = [sys.executable, str(DOCKER / "healthcheck.py"), "PORT", "/health"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"PORT": str(unused_tcp_port)}, timeout=20
    )
    assert done.returncode == 1
    assert "does not answer" in done.stdout


# ---- Compose ----


def test_every_lasting_service_has_a_health_check_and_every_other_ends() -> None:
    for name, service in compose()["services"].items():
        if service["restart"] == "no":
            assert "healthcheck" not in service, name
        else:
            assert service["healthcheck"]["test"], name


def test_services_wait_for_what_can_be_waited_for() -> None:
    services = compose()["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            ends = services[needed]["restart"] == "no"
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert how["condition"] == wanted, f"{name} waits for {needed}"


def test_only_what_is_needed_holds_the_start_back() -> None:
    """API and worker start without Redis, mail and objects: one image that cannot be had keeps nothing from running."""
    services = compose()["services"]
    assert {name: set(services[name].get("depends_on", {})) for name in services} == {
        **{name: set() for name in services},
        "migrate": {"postgres"},
        "api": {"migrate"},
        "worker": {"migrate"},
    }


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_have_few_rights(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "user", "cap_add"} & service.keys()
    assert service["build"]["target"] in {"api", "worker"}
    assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", sorted(OURS))
def test_what_compose_sets_is_a_configuration_that_starts(name: str) -> None:
    services = compose()["services"]
    given = environment(services[name])
    assert given.keys() <= KNOWN
    settings: Settings = load_settings(given, env_file=None)
    assert settings.database.url.reveal().endswith("@postgres:5432/singr")
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] in settings.database.url.reveal()
    assert services["redis"]["environment"]["REDISCLI_AUTH"] in settings.redis.url.reveal()
    objects = settings.object_store
    assert services["objects"]["environment"] == {
        "AWS_ACCESS_KEY_ID": objects.access_key_id,
        "AWS_SECRET_ACCESS_KEY": objects.secret_access_key.reveal(),
    }
    assert objects.endpoint == "http://objects:8333"
    assert "-s3.port=8333" in services["objects"]["command"]
    assert objects.bucket
    assert not objects.folder
    assert (settings.email.provider, settings.email.smtp.host) == ("smtp", "mailpit")


def test_compose_serves_production_once_it_is_given_secrets() -> None:
    stores = {
        "POSTGRES_PASSWORD": "p1",
        "REDIS_PASSWORD": "r1",
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "s3cr3t-s3cr3t",
    }
    for name in ("api", "worker"):
        service = compose(stores)["services"][name]
        defaults = dict(line.split("=", 1) for line in (DOCKER / "compose.env").read_text().splitlines()[1:])
        given = {**defaults, **secrets(), "APP_ENV": "production", **service["environment"]}
        assert load_settings(given, env_file=None).app.env.is_production


def test_ports_are_open_to_this_machine_only_and_lead_to_the_process() -> None:
    services = compose()["services"]
    published = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert [entry for entry in published if not entry[1].startswith("127.0.0.1:")] == []
    assert f"127.0.0.1:3000:{DEVELOPMENT.app.port}" in services["api"]["ports"]
    assert f"127.0.0.1:3100:{DEVELOPMENT.worker.port}" in services["worker"]["ports"]
    assert services["api"]["environment"]["PORT"] == str(DEVELOPMENT.app.port)
    assert services["worker"]["environment"]["WORKER_PORT"] == str(DEVELOPMENT.worker.port)


LISTED = {
    line.partition("#")[0].strip()
    for line in (DOCKER / "images.txt").read_text().splitlines()
    if not line.startswith("#")
} - {""}


def test_images_of_others_are_those_of_the_list() -> None:
    services = compose()["services"]
    used = {service["image"] for name, service in services.items() if name not in OURS}
    used |= set(re.findall(r"^(?:ARG PYTHON=|# syntax=)(\S+)$", DOCKERFILE, re.MULTILINE))
    used |= set(re.findall(r"^FROM ([^\s$]+:\S+)", DOCKERFILE, re.MULTILINE))
    assert used == LISTED
    assert not [image for image in LISTED if ":" not in image or image.endswith(":latest")]


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/**/*.md")), ids=lambda path: path.name)
def test_guides_name_no_other_version_of_an_image(path: Path) -> None:
    names = "|".join(re.escape(image.partition(":")[0]) for image in LISTED if image != "docker/dockerfile:1")
    found = re.findall(rf"(?<![\w/@])((?:{names}):[\w][\w.-]*)", path.read_text())
    assert not [image for image in found if image not in LISTED]


def test_stores_keep_what_they_are_given() -> None:
    services = compose()["services"]
    assert services["postgres"]["image"].startswith("postgis/postgis:18")
    assert "--appendonly" in services["redis"]["command"]
    assert "noeviction" in services["redis"]["command"]
    assert "-dir=/data" in services["objects"]["command"]
    assert "objects:/data" in services["objects"]["volumes"]


def test_object_store_tells_nobody_about_its_use_and_opens_s3_alone() -> None:
    command = compose()["services"]["objects"]["command"]
    assert {"-master.telemetry=false", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"} <= set(command)


def test_every_volume_that_is_used_is_declared() -> None:
    document = compose()
    used = {volume.split(":")[0] for service in document["services"].values() for volume in service.get("volumes", [])}
    assert used == set(document["volumes"])


def test_there_is_time_to_finish_before_a_container_is_killed() -> None:
    for name in ("api", "worker"):
        assert compose()["services"][name]["stop_grace_period"] == "40s"
        assert fly(name)["kill_timeout"] == "40s"
        assert fly(name)["kill_signal"] == "SIGTERM"


@pytest.mark.parametrize(
    ("env", "seeded"), [("development", "seed --demo"), ("staging", "seed"), ("production", "seed")]
)
def test_only_development_gets_the_demo_organization(tmp_path: Path, env: str, seeded: str) -> None:
    (program := tmp_path / "singr-db").write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    command = [word.replace("$$", "$") for word in compose()["services"]["migrate"]["command"]]
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(command, env={"PATH": path, "APP_ENV": env}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["upgrade", seeded]


# ---- Fly ----


@pytest.mark.parametrize("name", ["api", "worker"])
def test_fly_sets_a_configuration_that_starts(name: str) -> None:
    config = fly(name)
    assert config["env"].keys() <= KNOWN
    assert f"AS {config['build']['build-target']}\n" in DOCKERFILE
    load_settings({**image_environment(name), **config["env"], **secrets()}, env_file=None)


def test_fly_asks_the_ports_that_are_served() -> None:
    api, worker = fly("api"), fly("worker")
    assert api["http_service"]["internal_port"] == int(api["env"]["PORT"])
    assert api["metrics"]["port"] == int(api["env"]["METRICS_PORT"]) != int(api["env"]["PORT"])
    port = int(worker["env"]["WORKER_PORT"])
    assert worker["metrics"]["port"] == worker["checks"]["health"]["port"] == port
    assert api["http_service"]["force_https"] is True
    assert api["http_service"]["checks"][0]["path"] == "/ready"
