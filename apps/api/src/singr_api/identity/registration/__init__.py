"""Registration: make an account, and prove that its address is its owner's."""
