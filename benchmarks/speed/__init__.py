"""Speed beside the official code: programs and training steps that take turns on the same inputs."""
