"""Measurements that take too long for a test: each is a command, and prints a table for the docs."""
