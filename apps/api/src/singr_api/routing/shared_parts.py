"""What several operations share stands once in the document: answers, their headers, and parameters, by reference."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from singr_api.http.problems import CONTENT_TYPE

_FIRST_REFUSAL: Final = 400


def share(paths: dict[str, dict[str, Any]], components: dict[str, Any]) -> None:
    """Put each refusal, and what else comes twice, among the components, and a reference in its place."""
    responses = components.setdefault("responses", {})
    _share_headers(paths, components["headers"])
    _share_refusals(paths, responses)
    _share_answers(paths, responses)
    _share_parameters(paths, components.setdefault("parameters", {}))
    components["responses"] = dict(sorted(responses.items()))
    used = msgspec.json.encode([paths, responses]).decode()
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
                variants.setdefault(status, []).append(set(response["content"][CONTENT_TYPE]["examples"]))
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


def _share_headers(paths: dict[str, dict[str, Any]], headers: dict[str, Any]) -> None:
    answers = [response for operation in _operations(paths) for response in operation["responses"].values()]
    places = [(answer["headers"], name) for answer in answers for name in answer.get("headers", ())]
    _share_twice(places, "headers", headers, lambda name, _: name)


def _share_answers(paths: dict[str, dict[str, Any]], responses: dict[str, Any]) -> None:
    places = [(operation["responses"], status) for operation in _operations(paths) for status in operation["responses"]]
    _share_twice(places, "responses", responses, _name_of_answer)


def _name_of_answer(status: str, response: dict[str, Any]) -> str:
    """Of what it holds, else of what it says."""
    schemas = [media["schema"] for media in response.get("content", {}).values() if "$ref" in media["schema"]]
    says = re.split(r"[^\w ]", response["description"])[0].replace(" ", "-")
    return (schemas[0]["$ref"].rpartition("/")[2] if schemas else _camel(says)) + status


def _share_parameters(paths: dict[str, dict[str, Any]], parameters: dict[str, Any]) -> None:
    listed = [operation.get("parameters", []) for operation in _operations(paths)]
    places = [(parts, index) for parts in listed for index in range(len(parts))]
    _share_twice(places, "parameters", parameters, lambda _, part: _camel(part["name"].replace("_", "-")))


def _share_twice(
    places: list[tuple[Any, Any]], kind: str, shared: dict[str, Any], name_of: Callable[[Any, dict[str, Any]], str]
) -> None:
    """Put what stands in two of these places (container and key) among the shared parts, under a name that is free."""
    written = [(container, key, _text(container[key])) for container, key in places if "$ref" not in container[key]]
    names: dict[bytes, str] = {}
    for text, count in Counter(text for _, _, text in written).items():
        if count > 1:
            key, part = next((key, container[key]) for container, key, own in written if own == text)
            names[text] = _free(shared, name_of(key, part))
            shared[names[text]] = part
    for container, key, text in written:
        if text in names:
            container[key] = {"$ref": f"#/components/{kind}/{names[text]}"}


def _keep(parts: dict[str, Any], name: str, part: dict[str, Any]) -> None:
    if parts.setdefault(name, part) != part:
        raise LookupError(f"two different parts of the document are called {name}")


def _free(parts: dict[str, Any], name: str) -> str:
    number = 2
    free = name
    while free in parts:
        free, number = f"{name}{number}", number + 1
    return free


def _text(part: dict[str, Any]) -> bytes:
    return msgspec.json.encode(part)


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
