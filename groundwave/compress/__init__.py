"""Smaller and faster models: early exits, pruning, quantisation, and what each costs."""
