"""One caption for all phrases of an image or one for each: time, accuracy and false positives of absent phrases."""
