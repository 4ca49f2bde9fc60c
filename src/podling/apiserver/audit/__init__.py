"""What happened, told to a file: the audit log."""
