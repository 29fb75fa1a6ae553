"""Forgetting people: at once what opens what is theirs, and then, in batches, what is left of them elsewhere."""
