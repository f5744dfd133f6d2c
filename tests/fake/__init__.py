"""Small raw archives in the original layouts, with the irregularities that the originals have."""
