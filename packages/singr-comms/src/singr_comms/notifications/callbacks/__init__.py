"""What providers call back with: stored in the transaction that queues it, and applied to messages by a job."""
