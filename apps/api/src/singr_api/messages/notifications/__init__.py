"""What goes to people."""
