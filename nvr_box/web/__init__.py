"""The box's page: HTTP routes over the parts of the box, sessions, and the static files of a page without a build."""
