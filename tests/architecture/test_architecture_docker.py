"""Images, Compose, Fly and the deployment guide agree with the code: variables, ports, commands, health."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from architecture.repository import ROOT, distributions

from singr_config import Settings, all_variables, load_settings
from singr_dev.testing import absent

DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
GUIDE = (ROOT / "docs" / "DEPLOYMENT.md").read_text()
KNOWN = {item.variable.name for item in all_variables()}
OURS = {"api", "worker", "migrate"}
DEVELOPMENT = load_settings({}, env_file=None)
SECRETS = {
    "APP_URL_WEB": "https://a.example",
    "APP_URL_CUSTOMER": "https://b.example",
    "APP_URL_API": "https://c.example",
    "DATABASE_URL": "postgresql://singr@db/singr",
    "REDIS_URL": "redis://redis",
    "AUTH_SECRET": "0123456789abcdef" * 3,
    "ENABLE_EMAIL_SENDING": "false",
    "ENABLE_SMS_SENDING": "false",
}
COMMAND = re.compile(
    r"(?:^|[\s'\"/])(singr-(?:api|auth|config|db|worker)) (?!singr-)([a-z][a-z-]*)((?: --[a-z-]+(?: [\w,]+)?)*)"
)


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """What production needs beside what the files set; the keys are made here."""
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    public = subprocess.run(
        ["openssl", "pkey", "-pubout"], check=True, capture_output=True, text=True, input=made.stdout
    )
    return {**SECRETS, "JWT_PRIVATE_KEY": made.stdout, "JWT_PUBLIC_KEY": public.stdout}


def compose(given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The Compose file with its variables filled in: their defaults, where none are given."""
    text = (DOCKER / "compose.yaml").read_text()
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: (given or {}).get(match[1], match[2]), text)
    assert "${" not in filled, "a variable without a default stops `make dev-up`"
    loaded: dict[str, Any] = yaml.safe_load(filled)
    return loaded


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """What a service of ours is given, .env left out."""
    values: dict[str, str] = {}
    for file in service.get("env_file", []):
        path = DOCKER / file["path"]
        if file.get("required", True):
            lines = path.read_text().splitlines()
            values |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return values | service["environment"]


def stage(name: str) -> str:
    """One stage of the Dockerfile, without those that it is built on."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, f"the Dockerfile has no stage {name}"
    return found[1].replace("\\\n", " ")


def image_environment(name: str) -> dict[str, str]:
    lines = re.findall(r"^ENV (.+)$", stage("runtime") + stage(name), re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def manifests() -> list[dict[str, Any]]:
    """The Kubernetes objects of the guide."""
    fences = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return [document for fence in fences for document in yaml.safe_load_all(fence)]


def units() -> Iterator[configparser.ConfigParser]:
    """The systemd units of the guide; a repeated key keeps its last value."""
    for fence in re.findall(r"^```ini\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign] # documented way to keep the case of keys
        parser.read_string(fence)
        yield parser


def fly(name: str) -> dict[str, Any]:
    return tomllib.loads((DOCKER / f"fly.{name}.toml").read_text())


# ---- images ----


@pytest.mark.parametrize(("name", "variable"), [("api", "PORT"), ("worker", "WORKER_PORT")])
def test_an_image_is_not_root_and_tells_how_it_is(name: str, variable: str) -> None:
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", stage("runtime"), re.MULTILINE)
    assert "USER" not in stage(name)
    assert re.search(rf'^HEALTHCHECK .*healthcheck\.py", "{variable}", "/health"', stage(name), re.MULTILINE)
    assert re.search(r"^CMD \[", stage(name), re.MULTILINE)


def test_an_image_listens_where_the_settings_say(secrets: dict[str, str]) -> None:
    for name, section in (("api", "app"), ("worker", "worker")):
        settings = load_settings({**image_environment(name), **secrets}, env_file=None)
        port = getattr(settings, section).port
        assert port == getattr(DEVELOPMENT, section).port
        assert getattr(settings, section).host == "0.0.0.0"
        assert f"EXPOSE {port}\n" in stage(name)
        assert settings.app.env.is_production


def test_an_image_holds_every_distribution_but_the_one_for_development() -> None:
    built = re.search(r"for name in ([a-z ]+); do", DOCKERFILE)
    assert built
    names = {f"singr-{name}" for name in built[1].split()}
    assert names == {distribution.name for distribution in distributions()} - {"singr-dev"}


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


def test_compose_serves_production_once_it_is_given_secrets(secrets: dict[str, str]) -> None:
    stores = {
        "POSTGRES_PASSWORD": "p1",
        "REDIS_PASSWORD": "r1",
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "s3cr3t-s3cr3t",
    }
    for name in ("api", "worker"):
        service = compose(stores)["services"][name]
        defaults = dict(line.split("=", 1) for line in (DOCKER / "compose.env").read_text().splitlines()[1:])
        given = {**defaults, **secrets, "APP_ENV": "production", **service["environment"]}
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


# ---- Fly ----


@pytest.mark.parametrize("name", ["api", "worker"])
def test_fly_sets_a_configuration_that_starts(name: str, secrets: dict[str, str]) -> None:
    config = fly(name)
    assert config["env"].keys() <= KNOWN
    assert f"AS {config['build']['build-target']}\n" in DOCKERFILE
    load_settings({**image_environment(name), **config["env"], **secrets}, env_file=None)


def test_fly_asks_the_ports_that_are_served() -> None:
    api, worker = fly("api"), fly("worker")
    assert api["http_service"]["internal_port"] == int(api["env"]["PORT"])
    assert api["metrics"]["port"] == int(api["env"]["METRICS_PORT"]) != int(api["env"]["PORT"])
    port = int(worker["env"]["WORKER_PORT"])
    assert worker["metrics"]["port"] == worker["checks"]["health"]["port"] == port
    assert api["http_service"]["force_https"] is True
    assert api["http_service"]["checks"][0]["path"] == "/ready"


# ---- the guide ----


def containers() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    pods = [item["spec"]["template"]["spec"] for item in manifests() if item["kind"] in {"Job", "Deployment"}]
    return [(pod, container) for pod in pods for container in pod["containers"]]


def test_the_guide_has_the_objects_that_a_cluster_needs() -> None:
    kinds = sorted(item["kind"] for item in manifests())
    assert kinds == ["ConfigMap", "Deployment", "Deployment", "Job", "PodDisruptionBudget", "Secret", "Service"]


def test_pods_are_fenced_and_given_known_variables() -> None:
    assert len(containers()) == 3
    for pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert {entry["name"] for entry in container.get("env", [])} <= KNOWN
    for item in manifests():
        assert set(item.get("data", {})) | set(item.get("stringData", {})) <= KNOWN


def test_the_guides_settings_are_complete_for_production(secrets: dict[str, str]) -> None:
    given: dict[str, str] = {}
    for item in manifests():
        given |= item.get("data", {}) | item.get("stringData", {})
    real = {
        "AUTH_SECRET": secrets["AUTH_SECRET"],
        "JWT_PRIVATE_KEY": secrets["JWT_PRIVATE_KEY"],
        "JWT_PUBLIC_KEY": secrets["JWT_PUBLIC_KEY"],
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    }
    assert real.keys() <= given.keys()
    assert load_settings({**given, **real}, env_file=None).app.env.is_production


def test_probes_ask_the_process_for_its_life_and_the_stores_for_its_readiness() -> None:
    for pod, container in containers():
        if container["name"] == "migrate":
            continue
        ports = {port["name"] for port in container["ports"]}
        for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
            assert container[probe]["httpGet"]["path"] == path
            assert container[probe]["httpGet"]["port"] in ports
        assert pod["terminationGracePeriodSeconds"] >= 40


def test_units_start_what_is_installed_and_leave_time_to_stop() -> None:
    found = list(units())
    assert len(found) == 3
    for unit in found:
        service = unit["Service"]
        assert service["User"] == "singr"
        assert service["ExecStart"].startswith("/opt/singr/venv/bin/singr-")
        if service.get("Type") != "oneshot":
            assert int(service["TimeoutStopSec"]) >= 40
            assert service["KillMode"] == "mixed"


def test_units_come_up_by_themselves_when_the_database_starts_later() -> None:
    """A unit that requires one that failed stays down for good; one that fails is tried again, however often."""
    for unit in units():
        assert not {"Requires", "BindsTo", "Requisite", "PartOf"} & set(unit["Unit"])
        assert unit["Unit"]["StartLimitIntervalSec"] == "0"
        oneshot = unit["Service"].get("Type") == "oneshot"
        assert unit["Service"]["Restart"] == ("on-failure" if oneshot else "always")
        assert oneshot or "singr-migrate.service" in unit["Unit"]["Wants"]


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        absent("no systemd is installed here (Debian: apt-get install systemd)")
    found = re.findall(
        r"^`/etc/systemd/system/([\w-]+\.service)`:\n\n```ini\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL
    )
    assert len(found) == 3
    for name, text in found:
        (tmp_path / name).write_text(
            re.sub(r"/opt/singr/venv/bin/singr-\w+", "/bin/true", text).replace("User=singr", "")
        )
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *(str(tmp_path / name) for name, _ in found)],
        check=False, capture_output=True, text=True, timeout=60,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert not [line for line in done.stderr.splitlines() if "singr" in line], done.stderr


def commands() -> list[tuple[str, str, str]]:
    """Every command of ours that these files tell somebody to run: program, subcommand, options."""
    texts = [path.read_text() for path in (*DOCKER.iterdir(), *(ROOT / "docs").glob("*.md"), ROOT / "Makefile")]
    joined = "\n".join(texts).replace('", "', " ").replace("[singr-worker, run]", " singr-worker run")
    joined = joined.replace('"singr-', " singr-").replace("`", " ")
    return sorted({(match[1], match[2], match[3]) for match in COMMAND.finditer(joined)})


def test_the_files_use_our_commands() -> None:
    found = {(program, command) for program, command, _ in commands()}
    assert {("singr-api", "serve"), ("singr-worker", "run"), ("singr-db", "upgrade"), ("singr-db", "seed")} <= found


@pytest.mark.parametrize(("program", "command", "options"), commands())
def test_every_command_that_somebody_is_told_to_run_exists(program: str, command: str, options: str) -> None:
    path = Path(sys.prefix) / "bin" / program
    done = subprocess.run([path, command, "--help"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [option for option in re.findall(r"--[a-z-]+", options) if option not in done.stdout] == []


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
