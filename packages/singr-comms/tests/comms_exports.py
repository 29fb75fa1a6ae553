"""Exports of tests: the folder that they are written to, and the newest of them."""

from pathlib import Path

from sqlalchemy import text

from singr_config import ObjectStoreSettings, Secret

NEWEST = text("SELECT id FROM data_exports ORDER BY created_at DESC, id DESC LIMIT 1")


def kept_in(folder: Path, *, endpoint: str = "http://127.0.0.1:9") -> ObjectStoreSettings:
    """An object store that is a folder; links lead to the endpoint, where nobody has to listen."""
    return ObjectStoreSettings(
        endpoint=endpoint,
        access_key_id="test",
        secret_access_key=Secret("test-secret"),
        bucket="singr",
        folder=str(folder),
    )
