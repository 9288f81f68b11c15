"""What a deployment on one machine is made of: workers of the gateway, and the servers around them."""
