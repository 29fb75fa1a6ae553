"""``python -m singr_worker`` is ``singr-worker``."""

from singr_worker._cli import main

if __name__ == "__main__":
    main()
