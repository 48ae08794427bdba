"""What the Python tests share: a server under test (server.py) and a client that sees every byte (resp.py)."""
