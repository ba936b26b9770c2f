"""What a handler of a Tidepool service imports: the types of its requests and answers, and its store."""

import os
import sys

if sys.argv[:1] == ["-m"]:
    # `python3 -m tidepool.serve` looks for modules in the current folder first, and a handler may be called `json.py`.
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]

from .messages import Answer, Reject, Request, Response
from .service_store import Store
from .store_link import StoreError

#: The store of this service. See :class:`Store`.
store = Store(os.environ.get("TIDEPOOL_STORE", ""))

__all__ = ["Answer", "Reject", "Request", "Response", "Store", "StoreError", "store"]
