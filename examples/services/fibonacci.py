"""Fibonacci numbers by plain recursion, in exponential time: a load that is easy to turn up.

    ./tidepool service deploy examples/services/fibonacci.py --port 21002 --min 1 --max 4 --policy target
    curl http://127.0.0.1:21002/10
    {"input":10,"result":55,"server":"fibonacci-1"}
"""
import re

# Each step up takes 1.6 times as long: 40 is about half a minute on a fast core.
LARGEST = 40


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def handler(request):
    text = request.path[1:]
    if not re.fullmatch("-?[0-9]{1,9}", text):
        return 400, {"error": "the path is a whole number, as in /10"}
    n = int(text)
    if n < 0:
        return 400, {"error": f"there is no Fibonacci number of {n}: it is negative"}
    if n > LARGEST:
        return 400, {"error": f"{n} would take too long; the largest is {LARGEST}"}
    return {"input": n, "result": fibonacci(n), "server": request.server}
