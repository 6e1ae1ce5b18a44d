"""Traces and metrics.

`tracing` and `metrics` are what the services use: OpenTelemetry's API alone, which does next to
nothing until `export` has set up a place to send to.
"""
