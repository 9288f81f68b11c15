"""Conversions: made in a process of their own, kept by what they were made from."""

from hub.conversions.cache import ConversionCache
from hub.conversions.workshop import Workshop

__all__ = ["ConversionCache", "Workshop"]
