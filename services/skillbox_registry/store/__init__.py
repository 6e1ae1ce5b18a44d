"""Where the Registry keeps its rows."""
