"""Pages for people: static files, each folder one page, which api/routes/ serves."""
