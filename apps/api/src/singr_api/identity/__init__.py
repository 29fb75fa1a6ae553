"""People: their accounts, how they sign in, and what they prove it by."""
