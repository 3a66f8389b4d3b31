"""Formats of clinics and challenges: DICOM, NIfTI and MetaImage files read frame by frame, and written as plain images.

The libraries that read them are optional, the extra ``medical``, and are imported where they are used. Nothing that
names a patient is read from a file, so nothing of the kind can reach a message, a log or an output.
"""
