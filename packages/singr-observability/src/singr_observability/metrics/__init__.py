"""Numbers: counted in each process, merged over all of them, and written out."""
