"""FLUX.1: its sequence of tokens, its text, its networks, one step of it."""
