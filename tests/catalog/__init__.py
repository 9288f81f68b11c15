"""The catalog on its way from a hub to gateways: a file, a real Valkey, and real gateways."""
