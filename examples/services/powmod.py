r"""2 to the power of n, modulo 1021, over UDP: n comes as 4 bytes, the answer goes as 8, both big-endian and unsigned.

    ./tidepool service deploy examples/services/powmod.py --protocol udp --min 1 --max 4
    ./tidepool service endpoints powmod                          each VM has an address and port of its own
    ./tidepool load powmod --every 0.2
    printf '\0\0\0\12' | nc -u -w1 IP PORT | xxd                 n = 10: 0000 0000 0000 0003

Clients of a UDP service balance it themselves, over its endpoints. A datagram of any other length gets no answer.
"""
from tidepool import Reject


def handler(request):
    if len(request.body) != 4:
        raise Reject("a request is 4 bytes")
    n = int.from_bytes(request.body, "big")
    return pow(2, n, 1021).to_bytes(8, "big")
