"""What there is to say: each type of message by itself."""
