"""Models whose own code does harm when it is loaded; it is loaded in the process of a conversion, and nowhere else."""

import os
import sys
import time
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression


class Exiting(LogisticRegression):  # type: ignore[misc] # publishes no types
    """Ends the process that loads it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "hub.conversions.server" in sys.orig_argv:
            os._exit(3)
        super().__setstate__(state)


class Hanging(LogisticRegression):  # type: ignore[misc] # as above
    """Never lets go of the process that loads it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        while "hub.conversions.server" in sys.orig_argv:
            time.sleep(1)
        super().__setstate__(state)


class Eating(LogisticRegression):  # type: ignore[misc] # as above
    """Takes all the memory of the process that loads it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        eaten = []
        while "hub.conversions.server" in sys.orig_argv:
            eaten.append(np.ones(2**24))
        super().__setstate__(state)
