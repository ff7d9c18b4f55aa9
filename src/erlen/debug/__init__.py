"""Development: the page of an error, live reload, warnings, a console. Loaded only where `debug` is set; never in production."""
