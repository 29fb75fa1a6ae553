"""What many operations share stands once in the document: refusals and parameters, by reference."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from singr_api.http.problems import CONTENT_TYPE

_FIRST_REFUSAL: Final = 400


def share(paths: dict[str, dict[str, Any]], components: dict[str, Any]) -> None:
    """Put each refusal, and each parameter that comes twice, among the components, and a reference in its place."""
    _share_refusals(paths, components.setdefault("responses", {}))
    _share_parameters(paths, components.setdefault("parameters", {}))
    components["responses"] = dict(sorted(components["responses"].items()))
    used = msgspec.json.encode([paths, components["responses"]]).decode()
    components["examples"] = {
        name: example for name, example in components["examples"].items() if f'"#/components/examples/{name}"' in used
    }


def _operations(paths: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in paths.values():
        yield from item.values()


def _share_refusals(paths: dict[str, dict[str, Any]], responses: dict[str, Any]) -> None:
    variants: dict[str, list[set[str]]] = {}
    for operation in _operations(paths):
        for status, response in operation["responses"].items():
            if _is_refusal(status, response):
                variants.setdefault(status, []).append(_slugs(response))
    always = {status: set.intersection(*sets) for status, sets in variants.items()}
    for operation in _operations(paths):
        for status, response in operation["responses"].items():
            if _is_refusal(status, response):
                more = [slug for slug in response["content"][CONTENT_TYPE]["examples"] if slug not in always[status]]
                name = f"Refused{status}" + "".join(_camel(slug) for slug in more)
                _keep(responses, name, response)
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def _is_refusal(status: str, response: dict[str, Any]) -> bool:
    return int(status) >= _FIRST_REFUSAL and list(response.get("content", ())) == [CONTENT_TYPE]


def _slugs(response: dict[str, Any]) -> set[str]:
    return set(response["content"][CONTENT_TYPE]["examples"])


def _share_parameters(paths: dict[str, dict[str, Any]], parameters: dict[str, Any]) -> None:
    times = Counter(
        _text(parameter)
        for operation in _operations(paths)
        for parameter in operation.get("parameters", ())
        if "$ref" not in parameter
    )
    names: dict[str, str] = {}
    for text, count in times.items():
        if count > 1:
            names[text] = _free(parameters, _camel(json.loads(text)["name"].replace("_", "-")))
            parameters[names[text]] = json.loads(text)
    for operation in _operations(paths):
        listed = operation.get("parameters", [])
        for index, parameter in enumerate(listed):
            if (name := names.get(_text(parameter))) is not None:
                listed[index] = {"$ref": f"#/components/parameters/{name}"}


def _keep(parts: dict[str, Any], name: str, part: dict[str, Any]) -> None:
    if parts.setdefault(name, part) != part:
        raise LookupError(f"two different parts of the document are called {name}")


def _free(parts: dict[str, Any], name: str) -> str:
    number = 2
    free = name
    while free in parts:
        free, number = f"{name}{number}", number + 1
    return free


def _text(part: dict[str, Any]) -> str:
    return json.dumps(part, sort_keys=False)


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
