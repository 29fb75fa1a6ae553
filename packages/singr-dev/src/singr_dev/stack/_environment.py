"""The environment of API and worker in development: what the developer set, and for the rest what runs here."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from singr_dev._errors import DevError


def developers(env_file: Path = Path(".env")) -> dict[str, str]:
    """What the developer has set, by hand or in `.env`; the environment wins."""
    try:
        filed = dotenv_values(env_file, interpolate=False) if env_file.is_file() else {}
    except UnicodeDecodeError:
        raise DevError(f"{env_file} is not UTF-8: save it as such") from None
    given = {name: value for name, value in filed.items() if value}
    return given | {name: value for name, value in os.environ.items() if value}


def sites(port: int) -> dict[str, str]:
    """Where messages lead while no web app runs: to the API, which serves a page for each of their links.

    By name, since passkeys belong to a name and never to a number (Web Authentication, 5.1.2).
    """
    local = f"http://localhost:{port}"
    return {"APP_URL_API": f"http://127.0.0.1:{port}", "APP_URL_WEB": local, "APP_URL_CUSTOMER": local}


def objects(given: Mapping[str, str], folder: Path, port: int, secret: str) -> dict[str, str]:
    """A folder as the object store, its links at `port`; nothing where the developer chose a store, or none.

    What belongs to a store of one's own is set together, so one of its variables is enough to tell.
    """
    if any(name.startswith("S3_") for name in given):
        return {}
    return {
        "S3_FOLDER": str(folder.resolve()),
        "S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "S3_BUCKET": "singr",
        "S3_SECRET_ACCESS_KEY": secret,
    }


def combined(given: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Ours, where the developer set nothing; a provider chosen by hand keeps its own settings."""
    environ = {"APP_ENV": "development", **ours, **given}
    environ["PYTHONUNBUFFERED"] = "1"
    return environ
