"""What is wrong with the packages of a skill."""


class DependencyError(Exception):
    """The packages cannot be had, and trying again would not help now. The text is for callers."""
