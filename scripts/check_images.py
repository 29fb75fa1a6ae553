"""Ask the registries whether every image of docker/images.txt can still be had, for both kinds of machine.

Images that name no registry are asked for where this machine's Docker engine would fetch them, or where --hub says.
Exit code 0: all can. 1: at least one cannot. 3: of at least one it could not be found out, and none is surely gone.
"""

import argparse
import enum
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

IMAGES = Path(__file__).parents[1] / "docker" / "images.txt"
PLATFORMS = ("linux/amd64", "linux/arm64")
SECONDS = 20.0
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_REFERENCE = re.compile(
    r"(?:(?P<host>localhost(?::\d+)?|[\w-]+(?:\.[\w-]+)+(?::\d+)?|[\w-]+:\d+)/)?"
    r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*):(?P<tag>[\w][\w.-]{0,127})(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Fate(enum.Enum):
    """What is known of an image."""

    THERE = "ok"
    GONE = "GONE"
    UNKNOWN = "?"


@dataclass(frozen=True)
class Image:
    """A reference such as `redis:8-alpine`, in its parts; `host` is None where it names no registry."""

    reference: str
    host: str | None
    name: str
    version: str


def images(text: str) -> Iterator[Image]:
    """The images of a list, one a line; empty lines and what follows # are left out.

    Raises:
        ValueError: a line is no image with a tag.
    """
    for number, line in enumerate(text.splitlines(), 1):
        reference = line.partition("#")[0].strip()
        if not reference:
            continue
        found = _REFERENCE.fullmatch(reference)
        if found is None:
            raise ValueError(f"line {number} must be an image with its tag, such as redis:8-alpine, not {reference!r}")
        plain = found["host"] is None and "/" not in found["name"]
        name = f"library/{found['name']}" if plain else found["name"]
        yield Image(reference, found["host"], name, found["digest"] or found["tag"])


def look_up(client: httpx.Client, image: Image, hub: str) -> tuple[Fate, str]:
    """Whether the registry has it, and in a few words why one thinks so (Distribution specification 1.1).

    Args:
        client: to ask with.
        image: what to ask for.
        hub: the address of the registry of images that name none.
    """
    url = f"{f'https://{image.host}' if image.host else hub}/v2/{image.name}/manifests/{image.version}"
    headers = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
    try:
        answer = client.get(url, headers=headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = _token(client, answer)
            if token is None:
                return Fate.UNKNOWN, "the registry wants to know who asks, and its token service gives no answer"
            answer = client.get(url, headers={**headers, "Authorization": f"Bearer {token}"})
    except httpx.HTTPError as error:
        return Fate.UNKNOWN, f"the registry does not answer ({type(error).__name__})"
    return _judge(answer)


def _token(client: httpx.Client, refused: httpx.Response) -> str | None:
    """A token for anybody, from where the refusal says; None where there is none."""
    scheme, _, rest = refused.headers.get("www-authenticate", "").partition(" ")
    parameters = dict(_PARAMETER.findall(rest))
    realm = parameters.pop("realm", "")
    if scheme.lower() != "bearer" or not realm.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        return None
    answer = client.get(realm, params=parameters)
    try:
        given: Any = answer.json() if answer.is_success else None
    except ValueError:
        return None
    token = (given.get("token") or given.get("access_token")) if isinstance(given, dict) else None
    return token if isinstance(token, str) else None


def _judge(answer: httpx.Response) -> tuple[Fate, str]:
    code = answer.status_code
    if code in {401, 403}:
        return Fate.GONE, f"{code}: withdrawn, or not for everybody"
    if code == httpx.codes.NOT_FOUND:
        return Fate.GONE, "404: no such name or tag"
    if code == httpx.codes.TOO_MANY_REQUESTS:
        later = answer.headers.get("retry-after", "")
        return Fate.UNKNOWN, "429: asked too often" + (f"; again in {later} s" if later.isdigit() else "")
    if not answer.is_success:
        return Fate.UNKNOWN, f"{code}: the registry has troubles of its own"
    try:
        return _platforms(answer.json())
    except (ValueError, AttributeError, TypeError):
        return Fate.UNKNOWN, "the registry answers something that is no manifest"


def _platforms(manifest: dict[str, Any]) -> tuple[Fate, str]:
    listed = manifest.get("manifests")
    if listed is None:
        return (Fate.THERE, "for one kind of machine") if "layers" in manifest else (Fate.UNKNOWN, "no manifest")
    kinds = {f"{of.get('os')}/{of.get('architecture')}" for of in (entry.get("platform") or {} for entry in listed)}
    missing = [platform for platform in PLATFORMS if platform not in kinds]
    return (Fate.GONE, f"not for {', '.join(missing)}") if missing else (Fate.THERE, ", ".join(PLATFORMS))


def engines_hub() -> str:
    """Where the Docker engine of this machine fetches images that name no registry; empty where none answers."""
    docker = shutil.which("docker")
    if docker is None:
        return ""
    asked = [docker, "info", "--format", "{{.IndexServerAddress}}"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603 - no input
    found = re.match(r"https?://[^/\s]+", done.stdout.strip())
    return found[0] if found else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask for each, say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=Path, default=IMAGES, help="the list [docker/images.txt]")
    parser.add_argument("--hub", help="where images are that name no registry [asked of the Docker engine]")
    options = parser.parse_args(arguments)
    try:
        wanted = list(images(options.images.read_text()))
    except (OSError, ValueError) as error:
        print(f"{options.images}: {error}", file=sys.stderr)
        return 2
    hub = (options.hub or engines_hub()).rstrip("/")
    if not hub and not all(image.host for image in wanted):
        print("No Docker engine answers here: say with --hub https://… which registry to ask.", file=sys.stderr)
        return 2
    fates = set()
    with httpx.Client(timeout=SECONDS, follow_redirects=True) as client:
        for image in wanted:
            fate, why = look_up(client, image, hub)
            fates.add(fate)
            print(f"{fate.value:<5}{image.reference}  {why}")
    return 1 if Fate.GONE in fates else 3 if Fate.UNKNOWN in fates else 0


if __name__ == "__main__":
    sys.exit(main())
