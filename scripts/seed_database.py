"""Put roles and permissions (and, with --demo, a demo organization) into the database of DATABASE_URL.

Run: uv run scripts/seed_database.py [--demo]
"""

import sys

from singr_db._cli import main

if __name__ == "__main__":
    sys.exit(main(["seed", *sys.argv[1:]]))
