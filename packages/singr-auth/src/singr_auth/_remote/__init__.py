"""What another service needs of Singr to know its callers."""
