"""Experiments on all of the above. Each module is one experiment."""
