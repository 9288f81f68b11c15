"""The protected edge: Envoy before workers of the gateway.

`files.compose` says what Envoy is to read and `files.write` writes it, `binary.validate` has Envoy look at it,
`binary.command` starts it, `files.replace_workers` tells it of other workers while it runs, and `admin.drain` lets its
calls end.
"""
