"""Differential tests: redis-server 7.0.15 and Ordinal get the same commands and must reply the same.

README.md in this folder says how to run them and how a difference is named, shrunk and replayed.
"""
