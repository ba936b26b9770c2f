/** Reads the names of programs from shell scripts: a reader of what our own scripts use, not of all that a shell knows. */

const keywords = new Set(['if', 'then', 'else', 'elif', 'do', 'while', 'until', '!', '{', 'exec', 'eval']);
/** Words after which a command has no program. */
const others = new Set([
  ...['fi', 'done', 'esac', '}', 'for', 'case', 'command', '[', ':', '.', 'break', 'cd', 'continue', 'exit', 'export'],
  ...[
    'local',
    'read',
    'return',
    'set',
    'shift',
    'trap',
    'ulimit',
    'umask',
    'unset',
    'wait',
    'echo',
    'printf',
    'test',
    'true',
  ],
]);
/** Programs that start another one of this system, with the number of operands that come before it. */
export const starters: Readonly<Record<string, number>> = {
  ...{ busybox: 0, env: 0, fakeroot: 0, flock: 1, nsenter: 0, prlimit: 0, sudo: 0, timeout: 1, unshare: 0 },
  ...{ runuser: 0, taskset: 0 },
};

/** Names of the programs that a script starts, each once, without the shell's own words and the script's functions. */
export function shellPrograms(text: string): string[] {
  const functions = new Set([...text.matchAll(/^\s*([a-z_]\w*)\s*\(\)/gm)].map((match) => match[1] ?? ''));
  const withoutHeredocs = text.replaceAll(/<<-?\s*(['"]?)(\w+)\1([^\n]*)\n[\s\S]*?\n\2(?=\n|$)/g, '$3');
  const found = new Set(new Reader(withoutHeredocs).commands().flatMap(programsOf));
  return [...found].filter((name) => !functions.has(name));
}

/** The program of a command, and the one that it starts in its turn. A word that was quoted begins with a quote. */
export function programsOf(words: readonly string[]): string[] {
  const at = words.findIndex((word) => !keywords.has(word) && !/^\w+=/.test(word) && !/^\d*[<>]/.test(word));
  const [word = '', ...rest] = at < 0 ? [] : words.slice(at);
  if (!/^[\w./]/.test(word) || others.has(word)) return [];
  const name = word.split('/').at(-1) ?? '';
  if (name === 'sh' || name === 'bash') return [name, ...scriptOf(rest)];
  const operands = starters[name];
  if (operands === undefined) return [word];
  const next = rest.findIndex((one) => !one.startsWith('-') && !/^[\w.]+=/.test(one));
  const started = next < 0 ? [] : programsOf(rest.slice(next + operands).filter((one) => one !== '--'));
  // What busybox runs is a part of it.
  return name === 'busybox' ? [word] : [word, ...started];
}

function scriptOf(words: readonly string[]): string[] {
  const at = words.findIndex((word) => /^-[a-z]*c$/.test(word));
  return at < 0 ? [] : shellPrograms((words[at + 1] ?? '').replace(/^"/, ''));
}

/** Splits a script into commands of words; what a command substitutes is a command as well. */
class Reader {
  readonly #text: string;
  #at = 0;
  readonly #commands: string[][] = [];

  constructor(text: string) {
    this.#text = text;
  }

  commands(): string[][] {
    while (this.#at < this.#text.length) this.#readCommands(false);
    return this.#commands;
  }

  /** Reads until the end, or until the bracket that closes a substitution. */
  #readCommands(isSubstitution: boolean): void {
    let words: string[] = [];
    let depth = 0;
    let clauseStart = this.#commands.length;
    const end = (): void => {
      if (words.length > 0) this.#commands.push(words);
      words = [];
    };
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (/[;|&\n(]/.test(char)) {
        if (char === '(') depth += 1;
        this.#at += 1;
        end();
        if (char !== '|') clauseStart = this.#commands.length;
      } else if (char === ')') {
        this.#at += 1;
        if (depth === 0 && isSubstitution) break;
        // What stands before a bracket that nothing opened is a pattern of `case`, perhaps of several words.
        if (depth === 0) {
          words = [];
          this.#commands.length = clauseStart;
        } else end();
        depth = Math.max(0, depth - 1);
      } else if (/\s/.test(char)) this.#at += 1;
      else if (char === '#') this.#skipLine();
      else words.push(this.#readWord());
    }
    end();
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #readWord(): string {
    let word = '';
    while (this.#at < this.#text.length && !/[\s;|()]/.test(this.#text[this.#at] ?? '')) {
      const char = this.#text[this.#at] ?? '';
      if (char === '&' && !/[<>]$/.test(word)) break;
      this.#at += 1;
      if (char === '\\') {
        word += this.#text[this.#at] === '\n' ? '' : (this.#text[this.#at] ?? '');
        this.#at += 1;
      } else if (char === "'" || char === '"') {
        if (word === '') word = '"';
        word += char === "'" ? this.#until("'") : this.#readQuoted();
      } else word += char === '$' ? this.#readSubstitution() : char;
    }
    return word;
  }

  #readQuoted(): string {
    let text = '';
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      this.#at += 1;
      if (char === '"') break;
      if (char === '\\') {
        text += this.#text[this.#at] ?? '';
        this.#at += 1;
      } else text += char === '$' ? this.#readSubstitution() : char;
    }
    return text;
  }

  #readSubstitution(): string {
    if (this.#text.startsWith('((', this.#at)) this.#until('))');
    else if (this.#text.startsWith('{', this.#at)) this.#until('}');
    else if (this.#text.startsWith('(', this.#at)) {
      this.#at += 1;
      this.#readCommands(true);
    }
    return '$';
  }

  #until(mark: string): string {
    const found = this.#text.indexOf(mark, this.#at);
    const end = found < 0 ? this.#text.length : found;
    const text = this.#text.slice(this.#at, end);
    this.#at = end + mark.length;
    return text;
  }
}
