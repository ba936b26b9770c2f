# What must still work in the sandbox.
import multiprocessing, os, signal, socket, subprocess, sys, tempfile, threading

def square(number):
    return number * number

if __name__ == '__main__':
    print(sys.argv, os.getcwd(), os.getuid(), os.environ['HOME'], os.environ['OMP_NUM_THREADS'])
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(4)))
    lock = threading.Lock()
    threads = [threading.Thread(target=lock.acquire, kwargs={'blocking': False}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(subprocess.run(['sh', '-c', 'echo shell; echo error >/dev/stderr; echo out >/dev/stdout'], check=True).returncode)
    with tempfile.TemporaryDirectory() as folder:
        os.mkfifo(os.path.join(folder, 'pipe'))
    a, b = socket.socketpair()
    a.send(b'x')
    with socket.create_server(('127.0.0.1', 0)) as server, socket.create_connection(server.getsockname()):
        print(server.accept()[0].getpeername()[0], b.recv(1))
    print(multiprocessing.shared_memory.SharedMemory(create=True, size=64).size if hasattr(multiprocessing, 'shared_memory') else 64)
    print(sys.stdin.read() == '', os.nice(0))
    signal.setitimer(signal.ITIMER_REAL, 60)
