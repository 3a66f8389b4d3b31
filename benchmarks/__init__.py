"""How long a method takes per image, and the paper's table 6 made of such measurements."""
