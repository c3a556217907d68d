"""What a user would pick instead of this project, each run in a process of its own."""
