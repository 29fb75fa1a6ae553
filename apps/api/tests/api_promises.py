"""What the document says of refusals, for tests that meet one."""

import json
import re
from functools import cache
from typing import Any

import httpx

from singr_api.operations.documentation.document import as_json, openapi_document

_PROBLEM = "application/problem+json"


def undocumented(answer: httpx.Response, slug: str) -> str:
    """Say what the document lacks where a route refuses in a way that it does not tell of; else nothing.

    Of addresses that are no route's, and of other methods, it says nothing.
    """
    method = "GET" if answer.request.method == "HEAD" else answer.request.method
    for pattern, path, told in _routes():
        if pattern.fullmatch(answer.request.url.path):
            refusals = told.get(method)
            lacks = refusals is not None and slug not in refusals.get(str(answer.status_code), ())
            return f"{method} {path} does not document {answer.status_code} {slug}" if lacks else ""
    return ""


@cache
def _routes() -> list[tuple[re.Pattern[str], str, dict[str, dict[str, set[str]]]]]:
    """Per path, the most particular first: its pattern, itself, and the kinds of problems by method and status."""
    document = json.loads(as_json(openapi_document()))
    routes = []
    for path, item in sorted(document["paths"].items(), key=lambda one: one[0].count("{")):
        told = {method.upper(): _refusals(document, operation) for method, operation in item.items()}
        routes.append((re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path, told))
    return routes


def _refusals(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, set[str]]:
    responses = document["components"]["responses"]
    found = {}
    for status, response in operation["responses"].items():
        whole = responses[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        found[status] = set(whole.get("content", {}).get(_PROBLEM, {}).get("examples", ()))
    return found
