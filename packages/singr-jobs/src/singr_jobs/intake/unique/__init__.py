"""Unique keys: who holds which, who takes the place of whom; in memory as well."""
