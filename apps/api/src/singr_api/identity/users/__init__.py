"""Other people's accounts, for operators of the platform."""
