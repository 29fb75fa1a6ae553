"""Recipients of an organization."""
