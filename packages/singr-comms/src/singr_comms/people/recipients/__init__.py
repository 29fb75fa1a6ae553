"""Recipients: a person whom an organization reaches, with what is theirs sealed under a key of their own."""
