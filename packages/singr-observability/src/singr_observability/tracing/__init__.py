"""Which request or job it is that something happens for: ids, context and spans."""
