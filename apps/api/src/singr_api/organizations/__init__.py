"""Organizations: the people in them, invitations, and credentials of their services."""
