"""What a route, a job type, a template and a provider consist of (CONTRIBUTING.md says what each part is for)."""

import builtins
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from scripts.new._edits import item
from scripts.new._plan import (
    API,
    COMMS,
    COMMS_TESTS,
    TEMPLATES,
    Plan,
    RefusedError,
    apart,
    camel,
    filled,
    title,
)
from scripts.new._provider import provider

OPENAPI: Final = (("scripts/export_openapi.py",), ("scripts/export_routes.py",))
OPENAPI_FILES: Final = ("docs/openapi.yaml", "docs/ROUTES.md")
_LONGEST: Final = 40


@dataclass(frozen=True)
class Kind:
    """One kind of thing that can be made.

    Attributes:
        form: what names it may have.
        said: the same in words, with an example.
        channels: what it may be made for; the first unless told.
        plan: from the repository, a name and a channel to what is to be written.
    """

    form: re.Pattern[str]
    said: str
    plan: Callable[[Path, str, str], Plan]
    channels: tuple[str, ...] = ()


def _route(root: Path, given: str, _channel: str) -> Plan:
    name, path = given.replace("-", "_"), f"/v1/{given}"
    constants = "packages/singr-config/src/singr_config/constants.py"
    if re.search(rf"^  {path}[:/]", (root / OPENAPI_FILES[0]).read_text(encoding="utf-8"), re.MULTILINE):
        raise RefusedError(f"{path} is there already: see {OPENAPI_FILES[0]}")
    words = {"name": name, "path": path, "words": given.replace("-", " "), "Title": title(name), "Type": camel(name)}
    scope = f"{name}:read"
    known = f'"{scope}"' in (root / constants).read_text(encoding="utf-8")
    return Plan(
        new={
            **{
                f"{API}/{name}/{part}.py": filled(f"route/{part}.py.txt", **words)
                for part in ("__init__", "schemas", "routes")
            },
            f"apps/api/tests/test_api_{name}.py": filled("route/test.py.txt", **words),
        },
        edits={} if known else {constants: (item("PERMISSIONS", f'"{scope}": "See {words["words"]}"'),)},
        run=OPENAPI,
        generated=OPENAPI_FILES,
        left=(
            f"{API}/{name}/routes.py: ask a library for what there is to answer; it answers an empty page now.",
            *(
                ()
                if known
                else (f"{constants}: who has the new permission {scope}? Roles are below; `singr-db seed`.",)
            ),
        ),
    )


def _job(root: Path, tag: str, _channel: str) -> Plan:
    noun, verb = tag.split(".")
    name = f"{verb}_{noun}"
    folder = f"{COMMS}/notifications/job_types"
    words = {
        "tag": tag,
        "name": name,
        "noun": noun,
        "noun_words": noun.replace("_", " "),
        "Verb": title(verb),
        "Type": camel(name),
    }
    for path in (root / COMMS).rglob("*.py"):
        if f'tag="{tag}"' in path.read_text(encoding="utf-8"):
            raise RefusedError(f"the job type {tag} is there already: see {path.relative_to(root)}")
    if (root / folder / f"{name}.py").exists():
        raise RefusedError(f"{folder}/{name}.py is there already: choose another name")
    return Plan(
        new={
            f"{folder}/{name}.py": apart(filled("job/job.py.txt", **words), words["Type"]),
            f"{COMMS_TESTS}/test_comms_{name}.py": filled("job/test.py.txt", **words),
        },
        left=(
            f"{folder}/{name}.py: what it does; now it only answers.",
            "Callers may create it over HTTP? Then public=True or request=, an example, and make openapi.",
        ),
    )


def _template(root: Path, kind: str, channel: str) -> Plan:
    struct = camel(kind) + ("Sms" if channel == "sms" else "")
    folder = f"{COMMS}/messages/{kind}"
    if (root / folder).exists():
        raise RefusedError(f"{folder} is there already: choose another name, or give that type another channel there")
    words = {"kind": kind, "words": kind.replace("_", " "), "Title": title(kind), "Type": struct}
    source = apart(filled(f"template/{channel}.py.txt", **words), struct)
    texts = sorted(
        name
        for name in (path.name.removesuffix(".txt") for path in (TEMPLATES / "template").glob(f"{channel}.*.txt"))
        if name != f"{channel}.py"
    )
    new = {f"{folder}/__init__.py": source}
    new |= {f"{folder}/{text}": filled(f"template/{text}.txt", **words) for text in texts}
    return Plan(
        new=new,
        run=OPENAPI[:1],
        generated=OPENAPI_FILES[:1],
        left=(
            f"{folder}/__init__.py: the variables of {struct}, as typed fields, and its example.",
            f"{folder}/{texts[-1]}: the words. Then make openapi again.",
            "May it be sent again where it was perhaps sent? Is there a code in it? Its MessageType says so.",
        ),
    )


# In the code a name is a variable, a module and, in capitals, a class: none of these may stand for something else.
_TAKEN: Final = frozenset(
    word.lower() for word in (*dir(builtins), *keyword.kwlist, *keyword.softkwlist, "self", "cls", "index")
)


def checked(kind: Kind, name: str) -> str:
    """The name, where it is one for this kind.

    Raises:
        RefusedError: It is none; the message says what would be.
    """
    parts = re.split(r"[-_.]", name)
    if not kind.form.fullmatch(name) or len(name) > _LONGEST or any(keyword.iskeyword(part) for part in parts):
        raise RefusedError(f"{name!r} is no name for it: it takes {kind.said}, at most {_LONGEST} characters")
    if taken := _TAKEN & {name.replace("-", "_"), *name.split(".")}:
        raise RefusedError(f"{name!r} would be {min(taken)} in the code, which is a word of Python's or of ours")
    return name


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "route": Kind(
            re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*", re.ASCII),
            "the last part of its path, in small letters and hyphens, such as venues",
            _route,
        ),
        "job": Kind(
            re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\.[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII),
            "a thing, a dot, and what is done to it, such as venue.close",
            _job,
        ),
        "template": Kind(
            re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII),
            "the kind of message, in small letters and underscores, such as venue_approved",
            _template,
            tuple(sorted(path.name.removesuffix(".py.txt") for path in (TEMPLATES / "template").glob("*.py.txt"))),
        ),
        "provider": Kind(
            re.compile(r"[a-z][a-z0-9]*", re.ASCII),
            "who delivers, in small letters, such as postbox",
            provider,
            ("email", "sms"),
        ),
    }
)
