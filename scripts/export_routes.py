"""Write the list of all routes to docs/ROUTES.md.

Run: uv run scripts/export_routes.py [--check]
"""

import argparse
import sys
from pathlib import Path

from singr_api.routing.listing import routes_as_markdown
from singr_api.wiring.routes import policy_table

TARGET = Path(__file__).resolve().parents[1] / "docs" / "ROUTES.md"


def main() -> int:
    """Write the list, or with --check only tell whether the committed one is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the committed file differs")
    check = parser.parse_args().check
    text = routes_as_markdown(policy_table().policies)
    if check:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print("docs/ROUTES.md is out of date: run uv run scripts/export_routes.py", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote {TARGET.name}: {len(policy_table().policies)} routes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
