"""Shadows: versions that are asked what the champion was asked, once its caller has the answer, and compared with it.

Nobody waits for a shadow, and nobody may notice it. What the champion answers is offered to its shadows and kept for a
moment (`backlog`), at most so many calls and bytes; the rest is shed. `leisure` says when the worker has room: never
while calls wait or the places of the nodes are taken, never for more than a twentieth of the time, and never for two
batches at once. A batch is as large as what it takes allows (`portion`). `comparison` sets its answers beside the
champion's, row by row, and `counts` counts what came of it. `mirror` is what the pipeline sees.
"""
