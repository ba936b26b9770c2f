"""A handler that runs what it is sent, and answers what that prints."""
import contextlib, io, traceback


def handler(request):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            exec(request.body, {})
        except BaseException:
            traceback.print_exc(file=output)
    return output.getvalue()
