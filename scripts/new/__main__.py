"""Write the files of a new route, job type, template or provider, as CONTRIBUTING.md describes them.

Run: make new route|job|template|provider NAME
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.new._kinds import KINDS, checked
from scripts.new._plan import Plan, RefusedError, carry_out

ROOT = Path(__file__).resolve().parents[2]


def usage() -> str:
    """How it is called, a line for each kind."""
    lines = ["make new KIND NAME, where KIND and NAME are:"]
    for name, kind in KINDS.items():
        channels = f" [{'|'.join(kind.channels)}]" if kind.channels else ""
        lines.append(f"  {name + channels:<22} {kind.said}")
    return "\n".join(lines)


def planned(words: Sequence[str], root: Path) -> Plan:
    """What these words ask for.

    Raises:
        RefusedError: They ask for nothing that can be made.
    """
    if not words or words[0] not in KINDS:
        raise RefusedError(usage())
    kind = KINDS[words[0]]
    if not 2 <= len(words) <= (3 if kind.channels else 2):  # noqa: PLR2004 - kind, name, channel
        raise RefusedError(usage())
    channel = words[2] if len(words) == 3 else next(iter(kind.channels), "")  # noqa: PLR2004 - as above
    if channel not in kind.channels and kind.channels:
        raise RefusedError(f"a {words[0]} is for {' or '.join(kind.channels)}, not for {channel!r}")
    return kind.plan(root, checked(kind, words[1]), channel)


def main(words: Sequence[str], root: Path = ROOT) -> int:
    """Write what is asked for and say what is left to do; 2 where it cannot be written."""
    try:
        plan = planned(words, root)
        carry_out(plan, root)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2
    for path in plan.new:
        print(f"wrote    {path}")
    for path in (*plan.edits, *plan.generated):
        print(f"changed  {path}")
    print("\nIt passes as it is. Next:")
    for line in plan.left:
        print(f"- {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
