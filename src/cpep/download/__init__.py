"""Parts of a data set that lies on a web server."""
