"""The embedded backend: ONNX Runtime in this process.

`backend` is what the gateway sees. `placing` decides whether a batch runs on the event loop or in a thread, by what
`timing` has learnt. `loading` makes a session, `warming` tries it, `running` runs it and `codec` packs its tensors.
"""
