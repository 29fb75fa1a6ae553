"""What keeps the house in order: what fell silent comes back, what has served its time goes."""
