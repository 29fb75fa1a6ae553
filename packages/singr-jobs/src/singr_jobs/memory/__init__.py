"""What `InMemoryJobs` is made of: a job, the attempts at it, what may be read, and an organization's session."""
