"""MedSAM, as published and as the comparison study ran it."""
