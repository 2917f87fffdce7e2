"""Where bytes and time come from: sockets, a virtual network, the driver. The first floor that awaits."""
