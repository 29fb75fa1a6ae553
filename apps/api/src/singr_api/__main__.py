"""``python -m singr_api`` is ``singr-api``."""

from singr_api._cli import main

if __name__ == "__main__":
    main()
