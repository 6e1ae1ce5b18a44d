"""What the Executor keeps, and where."""
