"""One module per table or figure; ``drmguard reproduce`` finds them here."""
