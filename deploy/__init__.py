"""What runs the package elsewhere: a service, containers, and their health check."""
