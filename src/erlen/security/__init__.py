"""What every request is held to: hosts, proxies, CSRF, CORS, protective headers, signing, sessions in cookies, safe redirects."""
