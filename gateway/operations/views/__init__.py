"""The pages: each looks at everything, and returns what its template shows."""
