"""Where the API is and who calls it: by the environment, or by a profile in a file that only its owner can read.

The environment goes first, so that a container needs no file: `SINGR_URL` with `SINGR_API_KEY`, or with `SINGR_KEY` and
`SINGR_SECRET` (a signing credential); `SINGR_ORGANIZATION` where the credential is the platform's; `SINGR_PROFILE`
names a profile in place of the one in use.
"""

import contextlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import typer

from singr_cli._clean import clean
from singr_cli._errors import CliError, Code

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Profile:
    """An API and a credential for it.

    Attributes:
        url: where it is, without a path.
        api_key: the credential, or
        key_id: that of a signing credential, with
        secret: its secret.
        organization: whose work it is about; an organization's own credential needs none.
        plain_http: send the credential over http to other machines, too.
    """

    url: str
    api_key: str = ""
    key_id: str = ""
    secret: str = ""
    organization: str = ""
    plain_http: bool = False

    def __repr__(self) -> str:
        """Return it without its secrets."""
        return f"Profile({self.url!r}, {self.credential})"

    @property
    def credential(self) -> str:
        """Which kind of credential it has, in words that give none of it away."""
        return f"signs as {self.key_id}" if self.key_id else "API key" if self.api_key else "none"

    @property
    def is_local(self) -> bool:
        """Whether the address is this machine's own."""
        host = urlsplit(self.url).hostname or ""
        with contextlib.suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    def check(self) -> "Profile":
        """Return it; raise CliError where no request could or should be made with it."""
        parts = urlsplit(self.url)
        if not _is_address(self.url):
            raise CliError(Code.USAGE, "The address must be such as https://api.example.com, without a password in it.")
        if parts.scheme == "http" and not self.is_local and not self.plain_http:
            raise CliError(
                Code.USAGE,
                "Over http everybody on the way could read the credential: take https, or allow it with --plain-http"
                " (SINGR_PLAIN_HTTP=yes).",
            )
        if bool(self.key_id) != bool(self.secret) or (self.api_key and self.key_id):
            raise CliError(Code.USAGE, "A credential is an API key, or a key id with its secret.")
        if any(not value.isascii() or not value.isprintable() or " " in value for value in self._secrets()):
            raise CliError(Code.USAGE, "The credential holds what none does (spaces, line ends): copy it once more.")
        return self

    def _secrets(self) -> tuple[str, ...]:
        return (self.api_key, self.key_id, self.secret)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return good and plain and parts.scheme in {"http", "https"} and not set("?#@") & set(url)


def from_environment(environ: Mapping[str, str]) -> Profile | None:
    """Return what the environment says, if it says where the API is."""
    url = environ.get("SINGR_URL", "").strip()
    if not url:
        return None
    return Profile(
        url.rstrip("/"),
        environ.get("SINGR_API_KEY", "").strip(),
        environ.get("SINGR_KEY", "").strip(),
        environ.get("SINGR_SECRET", "").strip(),
        environ.get("SINGR_ORGANIZATION", "").strip(),
        environ.get("SINGR_PLAIN_HTTP", "").strip().lower() in {"1", "yes", "true"},
    ).check()


def chosen(name: str | None) -> Profile:
    """Return the profile of this name; else the environment's, else the one in use.

    Raises:
        CliError: there is none.
    """
    name = name or os.environ.get("SINGR_PROFILE") or None
    if name is None and (found := from_environment(os.environ)) is not None:
        return found
    profiles = Profiles.read()
    name = name or profiles.current
    if not name:
        raise CliError(
            Code.USAGE, "Where is the API? Set SINGR_URL and SINGR_API_KEY, or make a profile: singr profile add NAME"
        )
    return profiles.named(name).check()


class Profiles:
    """The file of profiles."""

    def __init__(self, path: Path, found: dict[str, Profile], current: str) -> None:
        self.path = path
        self.found = found
        self.current = current

    @classmethod
    def read(cls) -> "Profiles":
        """Return what the file says; nothing where there is none.

        Raises:
            CliError: others may read it, or it is no such file.
        """
        path = Path(typer.get_app_dir("singr")) / "profiles.json"
        try:
            with path.open(encoding="utf-8") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise CliError(Code.USAGE, f"Others can read {path}, and it holds secrets: chmod 600 '{path}'")
                document: Any = json.load(file)
            found = {str(name): Profile(**values) for name, values in document["profiles"].items()}
            return cls(path, found, str(document["current"]))
        except FileNotFoundError:
            return cls(path, {}, "")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no file of profiles"
            raise CliError(Code.USAGE, f"{path} cannot be read: {why}.") from None

    def named(self, name: str) -> Profile:
        """Return the one of this name."""
        try:
            return self.found[name]
        except KeyError:
            there = f"There are {', '.join(sorted(self.found))}." if self.found else "There is none yet."
            raise CliError(Code.NOT_THERE, f"No profile is called {clean(name)}. {there}") from None

    def write(self) -> None:
        """Put the file in place in one step, for its owner's eyes only."""
        document = {"current": self.current, "profiles": {name: asdict(one) for name, one in self.found.items()}}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".profiles-")  # 0600, as it makes them
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(document, file, indent=2)
                Path(temporary).replace(self.path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise CliError(Code.FAILED, f"{self.path} cannot be written: {error.strerror}.") from None
