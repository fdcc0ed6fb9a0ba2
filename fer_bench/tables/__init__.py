"""The tables that pass between the parts, one file each.

A table is a CSV with a fixed set of columns. Reading checks it and names what does not fit; writing sorts it and
prints floats with nine digits, so that equal contents are equal bytes.
"""
