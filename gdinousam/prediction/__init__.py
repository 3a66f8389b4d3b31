"""What one does with a built model and files of one's own: predict, measure, write."""
