"""Strip and bound encoded pictures before they reach a decoder.

A small file can hold millions of parts, refine one picture a thousand times, or declare a tag of
gigabytes, and decoders trust it. Each module here walks through the parts of one format without
decoding, refuses too many, and drops everything that the first picture does not need: colour
profiles, texts, EXIF, further frames and pages. Only the orientation is read.
"""
