"""What the packets are for: loss, order, time, bandwidth, layers, speech. Machines too."""
