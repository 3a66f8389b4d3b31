"""Data: the CSV contract and its checker, image readers, augmentation, the dataset that training reads, and phantoms."""
