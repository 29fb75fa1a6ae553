"""Topics of an organization."""
