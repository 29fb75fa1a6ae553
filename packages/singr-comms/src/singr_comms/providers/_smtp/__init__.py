"""What `providers/smtp.py` stands on: connections that are kept, one message on one of them, and what answers mean."""
