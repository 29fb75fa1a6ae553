"""What others install is found by its entry point, and an entry point that leads nowhere is named."""

from pathlib import Path

import pytest
from comms_guides import EXAMPLES

from singr_comms import DeclarationError, MessageTypes, message_types
from singr_config._cli import main


def installed(path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> MessageTypes:
    """A catalogue in a process where a distribution is installed that names this package."""
    folder = path / "parcels-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: parcels\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[singr_comms.message_types]\nparcels = {package}\n")
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return MessageTypes()


def test_what_others_install_is_found_by_entry_point_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = installed(tmp_path, monkeypatch, "parcel_messages")
    types.add_installed()
    types.add_installed()
    assert [one.name for one in types] == ["parcel_ready", "pickup_code"]


def test_an_entry_point_that_leads_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = installed(tmp_path, monkeypatch, "no_such_messages")
    with pytest.raises(DeclarationError, match=r"entry point parcels in .* names no_such_messages, which cannot"):
        types.add_installed()


def test_check_says_which_installed_type_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(tmp_path, monkeypatch, "no_such_messages")
    monkeypatch.setattr(message_types, "_installed", False)
    monkeypatch.setenv("APP_ENV", "development")
    assert main(["check"]) == 1
    assert "singr_comms.message_types: entry point parcels" in capsys.readouterr().err
