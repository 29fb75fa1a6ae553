"""API keys and service credentials of an organization."""
