"""What face data looks like, how it is made, read, split and poisoned."""
