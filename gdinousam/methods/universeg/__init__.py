"""UniverSeg (Butoi and others, ICCV 2023): it segments what a few examples show, without training.

The examples, images with masks, are its prompt. It reads no text: a phrase only says which examples it is shown.
"""
