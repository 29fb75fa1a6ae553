"""What is done about notifications now and then: each file is a chore."""
