"""What accounts tell people, and the port through which they do."""
