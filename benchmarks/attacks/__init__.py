"""Attacks on the protected edge of this machine: does it answer others meanwhile, and what memory does it take?"""
