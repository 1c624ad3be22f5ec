"""Mail: how messages are worded, and how they leave. Imported only where mail is on."""
