"""Where data comes from: public datasets, COCO files, medical volumes and generated phantoms."""
