"""Adapter for what operators of a pipeline see: Prometheus metrics, logs, health."""
