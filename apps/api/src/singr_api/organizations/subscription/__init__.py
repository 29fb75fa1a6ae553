"""What an organization subscribed to."""
