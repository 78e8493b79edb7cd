"""Training faces: alignment, packing, augmentation, teachers."""
