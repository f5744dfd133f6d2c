"""What people read: the offline page about one scan."""
