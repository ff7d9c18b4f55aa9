"""Development: the page of an error, live reload, warnings, a console.

Loaded only where `debug` is set, and by commands to explain why an application does not load; a site in production never has it.
"""
