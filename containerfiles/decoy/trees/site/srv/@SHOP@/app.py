#!/usr/bin/env python3
"""Order pages of @COMPANY@. Runs behind nginx, see README.md."""

import os
import subprocess
from wsgiref.simple_server import make_server

FORM = """<form method="post"><input name="account" placeholder="Account number">
<input name="password" type="password"><button>Log in</button></form>"""


def query(statement):
    """One statement through the client, so that nothing needs to be installed."""
    env = dict(os.environ, MYSQL_PWD=os.environ["DB_PASSWORD"])
    command = ["mysql", "-N", "-h", os.environ["DB_HOST"], "-u", os.environ["DB_USER"],
               os.environ["DB_NAME"], "-e", statement]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=10).stdout


def application(environ, start_response):
    if environ["PATH_INFO"] == "/health":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok\n"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [FORM.encode()]


if __name__ == "__main__":
    host, port = os.environ.get("LISTEN", "127.0.0.1:8081").split(":")
    make_server(host, int(port), application).serve_forever()
