"""A config into one run: ``training`` makes weights, ``evaluation`` scores a method; each writes where it came from."""
