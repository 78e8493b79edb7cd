"""What the page and the service share: pictures are decoded in processes that can be ended."""
