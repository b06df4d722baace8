"""`dreamtext view`: a finished run from all sides, in a browser on this machine or as one page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .export import counted, mesh_or_none
from .names import new_file


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("run", type=Path, help="the folder of a fit or a dream")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write one HTML file instead of opening a server")
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port on 127.0.0.1 (default 8080, or the next free one)"
    )


def run(a: Namespace) -> int:
    """Serve a run on this machine alone until Ctrl-C, or write one page."""
    if not 1 <= a.port <= 65535:
        raise ValueError(f"--port is {a.port}; it must be a whole number in 1..65535")
    if a.page:
        new_file(a.page, "--page")

    from .finished import finished

    volume, title, text = finished(a.run)
    if a.page:
        from ..viewing.page import COUNT, ELEVATIONS, around, write_page

        with counted(COUNT * len(ELEVATIONS)) as drawn:
            frames = around(volume, drawn=drawn)
        write_page(*frames, a.page, title, text)
        print(a.page)
        return 0
    from ..viewing.server import serve

    server = serve(volume, text, mesh_or_none(volume), a.port)
    print(f"{title}: http://127.0.0.1:{server.get_port()} (Ctrl-C ends it)", flush=True)
    try:
        server.sleep_forever()
    except KeyboardInterrupt:
        server.stop()
    return 0
