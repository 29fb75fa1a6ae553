"""Everything that is kept about a person, written into one object for them: asked for, written, withdrawn, removed."""
