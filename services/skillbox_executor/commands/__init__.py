"""The use cases of the Executor."""
