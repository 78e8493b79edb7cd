"""What a decoder may be given of a file: one picture's own parts, and a bounded amount of work.

A small file can hold parts by the million, refine one picture a thousand times, or say that a tag
has gigabytes. Decoders believe it. So each module here walks through the parts of one format
without decoding, refuses too many, and leaves out all that the first picture can be shown without:
colour profiles, texts, EXIF, further frames and pages. Only the orientation is read.
"""
