"""The use cases of the Registry."""
