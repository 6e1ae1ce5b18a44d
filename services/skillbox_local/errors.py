"""What the local stack tells its user when it cannot do what was asked."""


class LocalError(Exception):
    """The stack cannot be started, stopped or asked; the text says why and what to do."""
