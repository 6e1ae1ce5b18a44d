REASONS = set()
