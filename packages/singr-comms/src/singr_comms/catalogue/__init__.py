"""What a type of message is made of."""
