"""Data: the CSV contract and its checker, image readers, augmentation, the training dataset, phantoms."""
