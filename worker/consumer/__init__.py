"""The queue's side of a worker: leases, heartbeats, deliveries."""
