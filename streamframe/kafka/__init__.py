"""Adapter to Kafka: the only package of the engine that imports confluent_kafka.

Rule 1: nothing happens in a client callback except that an event is noted; revocation is the one barrier.
"""
