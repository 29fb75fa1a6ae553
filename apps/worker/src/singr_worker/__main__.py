"""`python -m singr_worker` is `singr-worker`."""

from singr_worker._start import main

if __name__ == "__main__":
    main()
