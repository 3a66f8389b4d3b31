"""What colour Doppler costs, and whether the models should see it as grey."""
