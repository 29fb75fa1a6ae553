"""Everything that is kept about a person, written out for them."""
