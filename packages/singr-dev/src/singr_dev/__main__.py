"""`python -m singr_dev`."""

from singr_dev._start import main

if __name__ == "__main__":
    main()
