"""The search for near-duplicates: which altered copies it finds, and which strangers it takes for copies."""
