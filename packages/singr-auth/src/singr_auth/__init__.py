"""Request signing, API keys, passwords and tokens; accounts on top."""
