"""The doors: signaling, HTTP, bots, the command line and the page."""
