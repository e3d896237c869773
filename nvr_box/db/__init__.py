"""The box's database: schema, migrations and every statement."""
