"""Other implementations that speed and numbers are compared with; nothing else imports them."""
