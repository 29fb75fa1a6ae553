"""What an organization looks like and says in its messages."""
