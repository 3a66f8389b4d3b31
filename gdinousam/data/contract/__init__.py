"""The data contract: a CSV of boxes and phrases beside folders of images and masks, read and checked."""
