"""Brokers for a laptop and for tests: a real Kafka from Maven Central, and the embedded one inside confluent-kafka."""
