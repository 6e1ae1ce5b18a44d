"""What every Skillbox service shares: configuration, server bootstrap, errors, storage."""
