"""What the tests of images, Compose, Fly and the deployment guide read: the files, and what production needs."""

from __future__ import annotations

import functools
import re
import subprocess
import tomllib
from collections.abc import Mapping
from typing import Any

import yaml
from architecture.repository import ROOT

from singr_config import all_variables, load_settings

DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
KNOWN = {item.variable.name for item in all_variables()}
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


@functools.cache
def secrets() -> Mapping[str, str]:
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


def fly(name: str) -> dict[str, Any]:
    return tomllib.loads((DOCKER / f"fly.{name}.toml").read_text())
