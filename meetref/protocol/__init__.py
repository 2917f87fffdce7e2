"""What to say to one peer. Machines without I/O: they are told the time and given their dice."""
