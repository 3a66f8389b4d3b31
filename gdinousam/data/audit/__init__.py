"""The audit of a prepared folder: what its splits share, and what they hold.

``audit.audit_data`` runs it, ``leaks`` compares splits, ``contents`` counts, ``pictures`` reads every image once, and
``report`` is the outcome with its text.
"""
