"""What must not be lost: the event log, recordings and their films; and what an audience is shown."""
