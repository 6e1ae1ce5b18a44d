"""The use cases of Auth, one file each."""
