"""Running a command of the package within a test."""

from dreamtext_lib import cli


def run(capsys, *arguments):
    """Status, standard output and standard error of a command."""
    try:
        status = cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        status = stop.code
    out = capsys.readouterr()
    return status, out.out, out.err
