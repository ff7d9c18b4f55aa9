"""Starting a server: granian, and uvicorn as the second engine."""
