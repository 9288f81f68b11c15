"""Usage: counted, read, copied, told and billed."""
