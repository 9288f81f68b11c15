"""Lanes: calls that arrive while their model is busy leave together as the next batch.

There is no timer. While all slots are busy calls gather, and the next free slot takes as many as `max_batch_size`
allows. A free slot does not take the first call at once either: it lets the event loop turn until a few turns in a row
have brought no further call. Turns are next to free while the loop has nothing to do (1 µs each), and while it
is busy they are exactly the work that brings in the calls which then share the batch.

A call on its way through a lane, and who decides:

- `admission`: may it wait at all, by what waits before it and how fast the model is (`pace`)?
- `waiting`: who goes next: by class, between tenants in turn (`turns`), within a tenant by deadline (`line`).
- `lane`: gathers, sends batches, gives every call its answer; `slots` says how many batches may be under way.
"""
