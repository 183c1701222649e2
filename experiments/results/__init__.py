"""The records of what commands compute: what their files hold."""
