"""MedCLIP-SAM and MedCLIP-SAMv2: BiomedCLIP shows where a sentence lies in an image, SAM draws its outline."""
