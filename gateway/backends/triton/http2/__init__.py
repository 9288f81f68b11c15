"""Unary calls to a node over HTTP/2, spoken from the event loop itself: no other thread has a part in a call.

A client for one purpose, and no more than that takes: small requests without TLS, of one method, to a server that is
trusted with the size of its answers. `channel` is what the node sees; it opens one `connection` after another.
`outbox` sends as fast as the server's windows allow, `inbox` cuts up what arrives, `call` puts an answer together.
`frames`, `headers` and `status` are the formats.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK), and "gRPC over HTTP2", doc/PROTOCOL-HTTP2.md of grpc/grpc.
"""
