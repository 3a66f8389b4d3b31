"""Weights in the files that their authors published: read safely, told apart by their content, and renamed to ours.

``files`` reads and recognises a file, ``keys`` renames tensors by rules that must cover every one of them, and one
module per architecture holds its rules and sizes.
"""
