import bz2, ctypes, decimal, json, lzma, sqlite3, ssl, zlib, zoneinfo
