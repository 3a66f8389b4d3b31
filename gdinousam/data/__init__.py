"""Data: the CSV contract and its checker, image readers, augmentation, the training dataset, phantoms.

Folders: ``public`` reads the releases of public datasets, ``preparation`` writes them in the contract, ``splits``
decides who goes where, ``audit`` looks for what is in two splits, ``coco`` and ``medical`` read and write other
formats.
"""
