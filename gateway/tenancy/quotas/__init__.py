"""How much each tenant may ask for, over all workers and replicas together."""
