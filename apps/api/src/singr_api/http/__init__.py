"""HTTP itself: what a body must be, what is wrong with it, and every answer that is an error."""
