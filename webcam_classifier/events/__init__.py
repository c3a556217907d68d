"""Changes of the steady label as events, and their sinks: files, commands, brokers, servers."""
