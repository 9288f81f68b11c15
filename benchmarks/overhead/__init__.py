"""Where the time of a lone call goes, and what a gateway takes to start and to be there."""
