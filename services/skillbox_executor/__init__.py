"""The Executor: runs skills in single-use sandboxes and remembers what became of them."""
