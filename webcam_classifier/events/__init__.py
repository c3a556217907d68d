"""Changes of the steady label as events, and where they go: files, commands, brokers, servers."""
