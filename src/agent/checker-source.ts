/**
 * The compile checker: a Python program that stays, one per runtime, in a container of its own. It reads `<length>\n`
 * and that many bytes of source from stdin, compiles them in a forked child with hard limits, and answers one line of
 * JSON on stdout: `{}` or `{"line","column","message","text"}`.
 *
 * The source is never run. Its compilation may crash the child, use up its memory or never end; the child's end is then
 * the answer.
 */
export const checkerSource = String.raw`
import os, resource, sys
try:
    # The whole of json takes an emulated CPU a tenth of a second to import.
    from _json import encode_basestring_ascii as quote
except ImportError:
    from json import dumps as quote

SIGKILL, SIGXCPU = 9, 24
CPU_SECONDS = 10
MEMORY_BYTES = 320 << 20

def problem(message, line=1, column=1, text=''):
    return {'line': max(line or 1, 1), 'column': max(column or 1, 1), 'message': message[:400], 'text': text[:400]}

def encoded(answer):
    fields = ((name, quote(value) if isinstance(value, str) else str(int(value))) for name, value in answer.items())
    return ('{' + ','.join('"%s":%s' % field for field in fields) + '}').encode()

def at_byte(source, index, message):
    start = source.rfind(b'\n', 0, index) + 1
    end = source.find(b'\n', index)
    text = source[start:end if end >= 0 else len(source)].decode('utf-8', 'replace')
    column = len(source[start:index].decode('utf-8', 'replace')) + 1
    return problem(message, source.count(b'\n', 0, index) + 1, column, text.rstrip('\r'))

def declares_encoding(source):
    return any(b'coding' in line for line in source.split(b'\n', 2)[:2])

def check(source):
    if b'\0' in source:
        return at_byte(source, source.index(b'\0'), 'a Python file may not contain a NUL byte')
    if not declares_encoding(source):
        try:
            source.decode('utf-8')
        except UnicodeDecodeError as error:
            return at_byte(source, error.start, 'the file is not UTF-8 text here')
    try:
        compile(source, '<script>', 'exec', dont_inherit=True)
        return {}
    except SyntaxError as error:
        text = (error.text or '').rstrip('\r\n')
        return problem(error.msg or 'invalid syntax', error.lineno, error.offset, text)
    except (RecursionError, MemoryError):
        return problem('it is nested too deeply, or too large, for the Python compiler')
    except Exception as error:
        return problem(str(error) or type(error).__name__)

def limited_child(source, write_end):
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.write(write_end, encoded(check(source)))

def ask_child(source):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            limited_child(source, write_end)
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, 'rb') as answers:
        answer = answers.read(1 << 16)
    status = os.waitpid(child, 0)[1]
    if answer:
        return answer
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (SIGXCPU, SIGKILL):
        return encoded(problem('the Python compiler did not finish within %d s or its memory' % CPU_SECONDS))
    return encoded(problem('the Python compiler crashed on this file'))

import warnings
warnings.simplefilter('ignore')
requests, answers = sys.stdin.buffer, sys.stdout.buffer
answers.write(b'ready\n')
answers.flush()
while True:
    header = requests.readline()
    if not header:
        break
    answers.write(ask_child(requests.read(int(header))) + b'\n')
    answers.flush()
`;
