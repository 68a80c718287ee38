"""What on-call measures from outside: metrics of gates, the canary, and the port that Prometheus asks."""
