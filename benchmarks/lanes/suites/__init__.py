"""The suites of `gapura bench lanes`; each takes the field and returns what it found."""
