"""What must not be lost: the event log."""
