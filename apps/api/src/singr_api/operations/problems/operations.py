"""Documentation of the pages about problems."""

from typing import Final

from singr_api.http.kinds import INVALID, KINDS, UNAUTHENTICATED
from singr_api.operations.problems.pages import ProblemIndex, ProblemPage, page_of
from singr_api.routing.operations import Example, Operation, Outcome

_DESCRIPTION: Final = (
    "`type` of a problem document names one. As HTML, plain text or JSON, by `Accept`; as text where it is left out."
)
_OTHER: Final = ("text/html", "text/plain")

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/problems",
        tag="Documentation",
        name="problems",
        summary="Every kind of problem, and every code",
        description=_DESCRIPTION,
        outcomes=(Outcome(200, "All of them.", ProblemIndex, also=_OTHER),),
    ),
    Operation(
        method="GET",
        path="/problems/{slug}",
        tag="Documentation",
        name="problem",
        summary="One kind of problem: what it means, and what to do",
        description=_DESCRIPTION,
        path_schemas={
            "slug": {"type": "string", "enum": [kind.slug for kind in KINDS], "examples": [INVALID.slug]},
        },
        outcomes=(
            Outcome(
                200,
                "What it means, and what to do.",
                ProblemPage,
                examples={UNAUTHENTICATED.slug: Example(UNAUTHENTICATED.title, page_of(UNAUTHENTICATED))},
                also=_OTHER,
            ),
        ),
    ),
)
