"""Training data: alignment, packing, augmentation, teacher embeddings."""
