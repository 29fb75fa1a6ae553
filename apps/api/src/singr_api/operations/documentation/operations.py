"""Documentation of the documentation."""

from typing import Any, Final

from singr_api.routing.operations import Operation, Outcome


def _page(path: str, name: str, summary: str, media_type: str) -> Operation:
    return Operation(
        method="GET",
        path=path,
        tag="Documentation",
        name=name,
        summary=summary,
        outcomes=(Outcome(200, "The document.", _OBJECT.get(media_type), media_type),),
    )


_OBJECT: Final[dict[str, Any]] = {"application/json": dict[str, Any], "application/yaml": dict[str, Any]}

_LEADS: Final = "Redirects to `/schema`; `Link` names the documentation for programs, too (RFC 8631)."


def _lead(path: str, name: str) -> Operation:
    return Operation(
        method="GET",
        path=path,
        tag="Documentation",
        name=name,
        summary=f"From {path} to the documentation",
        description=_LEADS,
        outcomes=(
            Outcome(
                302,
                "To the documentation.",
                headers={"Location": "Of the page.", "Link": "To the page, and to the document."},
                bare=True,
            ),
        ),
    )


OPERATIONS: Final = (
    _lead("/", "root"),
    _lead("/docs", "docs"),
    _page("/schema", "documentation", "This documentation as a page", "text/html"),
    _page("/schema/openapi.json", "openapiJson", "The OpenAPI document as JSON", "application/json"),
    _page("/schema/openapi.yaml", "openapiYaml", "The OpenAPI document as YAML", "application/yaml"),
    _page("/schema/page.js", "documentationScript", "The page's script", "text/javascript"),
    _page("/schema/samples.js", "documentationSamples", "The page's samples", "text/javascript"),
    _page("/schema/try.js", "documentationTry", "The page's form to try a route", "text/javascript"),
    _page("/schema/page.css", "documentationStyle", "The page's style", "text/css"),
)
