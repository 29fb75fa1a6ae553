"""Topics: what recipients of an organization share."""
