"""Proof that our models compute what the official code computes: same weights, same input, largest difference.

Needs the official packages (``pip install -e .[official]``).
"""
