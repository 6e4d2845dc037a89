"""The gateway ("Proxy" in the specification): the farm's one door for clients, CORBA and Ice."""
