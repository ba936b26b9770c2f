"""`python3 -m tidepool.serve`: runs the handler of a service. What it is told, it is told by environment variables."""

import os
import sys

from .error_log import write_stderr
from .settings import Settings
from .status import StatusFile
from .supervisor import Supervisor

EXIT_BAD_SETTINGS = 2


def main() -> int:
    try:
        settings = Settings(os.environ)
    except ValueError as error:
        write_stderr(f"{error}\n")
        content = {"state": "failed", "message": str(error), "traceback": "", "restarts": 0}
        StatusFile(os.environ.get("TIDEPOOL_STATUS", "")).write({**content, "inFlight": 0, "requests": 0, "errors": 0})
        return EXIT_BAD_SETTINGS
    return Supervisor(settings).run()


if __name__ == "__main__":
    sys.exit(main())
