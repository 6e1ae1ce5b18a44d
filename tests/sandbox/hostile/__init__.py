"""Skills that attack, in every sandbox: `attacks/` is the table, the rest runs it."""
