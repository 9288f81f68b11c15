"""What tenants use: counted in files that survive their process, copied to Redis, told as metrics and as a bill."""
