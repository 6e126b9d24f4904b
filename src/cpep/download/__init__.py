"""Download of parts of a data set on a web server."""
