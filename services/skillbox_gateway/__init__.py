"""The gateway: Envoy, configured from the descriptor set and the settings."""
