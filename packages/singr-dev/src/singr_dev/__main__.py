"""`python -m singr_dev`."""

from singr_dev._cli import main

if __name__ == "__main__":
    main()
