"""Which of several forms a caller likes best (RFC 9110, 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str, offers: Sequence[str]) -> str:
    """Return the offer that an Accept header likes best; the first of those it likes alike, or where it admits none.

    Args:
        accept: the header; empty where there is none.
        offers: media types, in our order.
    """
    ranges = [_range(item) for item in accept.lower().split(",") if item.strip()]
    best, best_quality = offers[0], 0.0
    for offer in offers:
        fitting = [(precision, quality) for kind, precision, quality in ranges if _fits(kind, offer)]
        quality = max(fitting)[1] if fitting else 0.0  # the most precise range decides
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def _range(item: str) -> tuple[str, int, float]:
    kind, *parameters = (part.strip() for part in item.split(";"))
    precision = 0 if kind == "*/*" else 1 if kind.endswith("/*") else 2
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return kind, precision, quality


def _fits(kind: str, offer: str) -> bool:
    return kind in {"*/*", offer} or (kind.endswith("/*") and offer.startswith(kind[:-1]))
