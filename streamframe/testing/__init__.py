"""Public helpers for tests of pipelines: without a broker, or with an embedded one."""
