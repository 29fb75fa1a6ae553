"""What the tasks call; it remembers what they did, and is busy when a test says so."""

done: list[str] = []
lost: set[str] = set()
busy: list[int] = []


class BusyError(Exception):
    """Come back later."""


class LostError(Exception):
    """Nobody heard."""


def charge(order: int, cents: int) -> int:
    """Take the money."""
    if busy:
        busy.pop()
        raise BusyError
    done.append(f"charged {order}")
    return cents


def say(text: str) -> None:
    """Do something that is seen; the first reminder of each order is lost."""
    if text.startswith("reminded") and text not in lost:
        lost.add(text)
        raise LostError
    done.append(text)
