"""How jobs end: every statement that ends one is built here, with all that must follow its end."""
