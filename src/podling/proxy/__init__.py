"""Services made real: from Services and EndpointSlices to rules or relays."""
