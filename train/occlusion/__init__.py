"""Train the small network that detects occluded eyes and mouths on drawn occlusions."""
