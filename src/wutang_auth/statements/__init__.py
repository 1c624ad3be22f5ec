"""Every statement on the schema, as an expression over the tables of `models`, one file a table.

`make sql` compiles them into `repository/sql.py`, from where the service takes them. So it starts without SQLAlchemy,
which is a fifth of its memory and a quarter of its start, and a change shows the SQL that comes of it.
"""
