"""`python -m singr_api`: the same as `singr-api`."""

from singr_api.wiring.start import main

if __name__ == "__main__":
    main()
