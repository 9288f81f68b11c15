"""Lanes: calls that arrive while their model is busy leave together as the next batch.

There is no timer. While all slots are busy calls gather, and the next free slot takes as many as `max_batch_size`
allows. A free slot does not take the first call at once either: it lets the event loop turn until a few turns in a row
have brought no further call. Turns are next to free while the loop has nothing to do (1 µs each), and while it
is busy they are exactly the work that brings in the calls which then share the batch.
"""
