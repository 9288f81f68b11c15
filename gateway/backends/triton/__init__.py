"""The Triton backend: model versions on a pool of nodes, over KServe v2.

`backend` is what the gateway sees. `delivery` brings one batch to an answer: `pool` chooses the node, `replica` knows
how a model version fares on a node, `budget` bounds second tries. Beside the calls, `fleet` follows the nodes that
`discovery` finds, and `care` asks each what is ready and loads or heals what is not. `node` and `wire` speak to Triton,
over `http2` where a batch is small; `faults` reads its errors.
"""
