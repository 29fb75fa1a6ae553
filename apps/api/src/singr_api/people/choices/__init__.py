"""The page where readers of a mail choose what they get."""
