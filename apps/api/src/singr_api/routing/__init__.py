"""What routes are made of, and the document that is made of them."""
