"""Semantic communication: learning, and inference, of sensors and a server that a wireless channel lies between."""
