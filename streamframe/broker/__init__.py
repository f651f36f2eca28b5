"""A real Apache Kafka from Python packages, for the demo, the tests and benchmarks."""
