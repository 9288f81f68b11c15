"""Measurements that anybody can run again; each verifies its answers before it times them."""
