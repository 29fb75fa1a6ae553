"""Organizations: their people, roles, invitations and audit trail."""
