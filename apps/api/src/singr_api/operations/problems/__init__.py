"""Pages that explain each kind of problem: for people, as text, and as JSON."""
