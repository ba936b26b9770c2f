"""Says where it runs."""
import os
import platform
import sys

print(f"Hello from {platform.node()}: Python {platform.python_version()}, arguments {sys.argv[1:]}")
if os.path.isdir("data"):
    print("Dataset:", sorted(os.listdir("data")))
with open("out/hello.txt", "w") as f:
    f.write("A file that the job made.\n")
