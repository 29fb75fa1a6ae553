"""Write the API's OpenAPI document to docs/openapi.yaml.

Run: uv run scripts/export_openapi.py [--check]
"""

import argparse
import sys
from pathlib import Path

from singr_api.operations.documentation.document import as_yaml, openapi_document

TARGET = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"


def main() -> int:
    """Write the document, or with --check only tell whether the committed one is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the committed file differs")
    check = parser.parse_args().check
    document = as_yaml(openapi_document())
    if check:
        if TARGET.exists() and TARGET.read_bytes() == document:
            return 0
        print("docs/openapi.yaml is out of date: run uv run scripts/export_openapi.py", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(document)
    print(f"wrote {TARGET.name}: {len(document)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
