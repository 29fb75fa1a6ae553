"""People: who they are, how they are found, registered and changed, by themselves and by operators."""
