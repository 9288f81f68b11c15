"""What computes: interchangeable engines over one model repository."""
