"""The gateway against itself: what a ratio shows when there is nothing to show."""
