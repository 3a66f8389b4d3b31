"""Studies of several evaluations each: which part of the pipeline gives what, and how much the wording matters."""
