"""Error rates on labelled faces."""
