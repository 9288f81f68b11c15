"""What lanes gain and what they cost: a gateway that merges calls, against the same Triton asked directly."""
