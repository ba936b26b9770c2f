import { type ESTree, Visitor } from 'rolldown/utils';
import { programsOf, shellPrograms } from './shell.ts';
import { lineOf, type Source } from './source.ts';

/** Names that a source uses of the system: commands as they are called, files by their absolute paths. */
export interface SystemNames {
  readonly names: readonly { readonly name: string; readonly line: number }[];
  /** Starts of processes whose program cannot be read from the source. */
  readonly unread: readonly number[];
}

type FunctionNode = ESTree.Function | ESTree.ArrowFunctionExpression;
interface Scope {
  readonly node: FunctionNode;
  readonly name: string | undefined;
}

const ofNode = new Set(['spawn', 'spawnSync', 'execFile', 'execFileSync', 'exec', 'execSync', 'fork']);
const systemFile = /^\/(usr|bin|sbin|lib|lib64)\/[^\s:]+$/;
/** Folders of programs, as in a PATH. */
const programFolder = /^\/(usr\/(local\/)?)?s?bin\/?$/;
/** Options of mmdebstrap whose value is a shell script. */
const hook = /^--\w+-hook=([\s\S]*)$/;

/**
 * Reads which programs a source starts: by the functions of node:child_process, by functions of the same file that hand
 * their own parameter to these, by values of the type `Exec`, and by `program:` in an object, which is how
 * src/image/command.ts is asked. Scripts after `sh -c` are read too.
 */
export function systemNames(source: Source): SystemNames {
  return new Reading(source).read();
}

class Reading {
  readonly #source: Source;
  readonly #names: { name: string; line: number }[] = [];
  readonly #unread = new Set<number>();
  /** What is assigned to each name of the file. */
  readonly #values = new Map<string, ESTree.Expression[]>();
  readonly #functions = new Map<string, FunctionNode>();
  readonly #calls: { readonly node: ESTree.CallExpression; readonly scopes: readonly Scope[] }[] = [];
  /** Functions that start the program of their n-th argument. */
  readonly #starters = new Map<string, number>();
  /** Names that were taken out of an object by `{ program }`: the object has been read where it was made. */
  readonly #programs = new Set<string>();

  constructor(source: Source) {
    this.#source = source;
  }

  read(): SystemNames {
    this.#collect();
    // Each round may find a function that hands its parameter on.
    for (let known = -1; known !== this.#starters.size; ) {
      known = this.#starters.size;
      this.#names.length = 0;
      this.#unread.clear();
      for (const { node, scopes } of this.#calls) this.#readCall(node, scopes);
    }
    this.#readLiterals();
    return { names: this.#names, unread: [...this.#unread] };
  }

  #collect(): void {
    const scopes: Scope[] = [];
    const names = new Map<FunctionNode, string>();
    const enter = (node: FunctionNode): void => {
      const name = node.type === 'ArrowFunctionExpression' ? names.get(node) : (node.id?.name ?? names.get(node));
      if (name !== undefined) this.#functions.set(name, node);
      scopes.push({ node, name });
    };
    const leave = (): void => void scopes.pop();
    new Visitor({
      ImportDeclaration: (node) => {
        const isNode = /^(node:)?child_process$/.test(node.source.value);
        for (const one of node.specifiers) {
          if (one.type !== 'ImportSpecifier' || one.imported.type !== 'Identifier') continue;
          const isExec = node.source.value.endsWith('setup/exec.ts') || node.source.value === './exec.ts';
          if ((isNode && ofNode.has(one.imported.name)) || (isExec && one.imported.name === 'exec'))
            this.#starters.set(one.local.name, 0);
        }
      },
      VariableDeclarator: (node) => {
        const { id, init } = node;
        if (id.type === 'ObjectPattern') this.#collectPattern(id);
        if (init === null) return;
        if (id.type === 'ArrayPattern' && id.elements[0]?.type === 'AssignmentPattern') {
          const first = id.elements[0].left;
          if (first.type === 'Identifier') this.#assign(first.name, init);
        }
        if (id.type !== 'Identifier') return;
        if (isFunction(init)) names.set(init, id.name);
        this.#assign(id.name, init);
      },
      ForOfStatement: (node) => {
        const declared = node.left.type === 'VariableDeclaration' ? node.left.declarations[0]?.id : undefined;
        if (declared?.type !== 'Identifier' || node.right.type !== 'ArrayExpression') return;
        for (const one of node.right.elements)
          if (one !== null && one.type !== 'SpreadElement') this.#assign(declared.name, one);
      },
      Property: (node) => {
        if (node.key.type === 'Identifier' && isFunction(node.value)) names.set(node.value, node.key.name);
      },
      MethodDefinition: (node) => {
        if (node.key.type === 'Identifier') names.set(node.value as FunctionNode, node.key.name);
      },
      FunctionDeclaration: enter,
      'FunctionDeclaration:exit': leave,
      FunctionExpression: enter,
      'FunctionExpression:exit': leave,
      ArrowFunctionExpression: enter,
      'ArrowFunctionExpression:exit': leave,
      CallExpression: (node) => void this.#calls.push({ node, scopes: [...scopes] }),
    }).visit(this.#source.program);
  }

  /** `{ exec: run = exec }` gives a starter another name; `{ program }` comes from an object that is read itself. */
  #collectPattern(pattern: ESTree.ObjectPattern): void {
    for (const property of pattern.properties) {
      if (property.type !== 'Property' || property.key.type !== 'Identifier') continue;
      const { value } = property;
      const name = parameterName(value);
      if (name === undefined) continue;
      if (property.key.name === 'program') this.#programs.add(name);
      if (this.#isStarterByDefault(value)) this.#starters.set(name, 0);
    }
  }

  /** `run = exec` in a pattern. */
  #isStarterByDefault(part: ESTree.Node): boolean {
    return part.type === 'AssignmentPattern' && part.right.type === 'Identifier' && this.#starters.has(part.right.name);
  }

  #assign(name: string, value: ESTree.Expression): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
  }

  #readCall(node: ESTree.CallExpression, scopes: readonly Scope[]): void {
    const position = this.#positionOf(node.callee, scopes);
    if (position === undefined) return;
    const line = lineOf(this.#source.text, node.start);
    const first = node.arguments[position];
    const given = first?.type === 'SpreadElement' ? first.argument : first;
    if (given === undefined) return;
    const commands = this.#commandsOf(given, scopes, node.arguments[position + 1]);
    if (commands === undefined) this.#unread.add(line);
    for (const command of commands ?? []) this.#add(command, line);
  }

  /** Which argument of a call is a program; undefined when it starts none. */
  #positionOf(callee: ESTree.Expression, scopes: readonly Scope[]): number | undefined {
    if (callee.type === 'CallExpression') return this.#isPromisified(callee) ? 0 : undefined;
    if (callee.type !== 'Identifier') return undefined;
    for (const { node } of scopes.toReversed()) {
      const parameter = node.params.find((one) => parameterName(one) === callee.name);
      if (parameter !== undefined) return typeName(parameter) === 'Exec' ? 0 : undefined;
      const taken = node.params.map((one) => takenOut(one, callee.name)).find((one) => one !== undefined);
      if (taken !== undefined) return this.#isStarterByDefault(taken) ? 0 : undefined;
    }
    const own = this.#starters.get(callee.name);
    if (own !== undefined) return own;
    return this.#values.get(callee.name)?.some((value) => this.#isPromisified(value)) ? 0 : undefined;
  }

  #isPromisified(value: ESTree.Expression): boolean {
    if (value.type !== 'CallExpression' || value.callee.type !== 'Identifier' || value.callee.name !== 'promisify')
      return false;
    const [what] = value.arguments;
    return what?.type === 'Identifier' && this.#starters.has(what.name);
  }

  /** Command lines that a value may be, their first word the program; [] when it is ours, undefined when it is unknown. */
  #commandsOf(value: ESTree.Expression, scopes: readonly Scope[], more?: ESTree.Argument): string[][] | undefined {
    const rest = more?.type === 'ArrayExpression' ? this.#wordsOf(more) : [];
    switch (value.type) {
      case 'ArrayExpression':
        return this.#arrayCommands(value, scopes);
      case 'AwaitExpression':
        return this.#commandsOf(value.argument, scopes, more);
      case 'ChainExpression':
        return this.#commandsOf(value.expression, scopes, more);
      case 'ConditionalExpression':
        return this.#allOf([value.consequent, value.alternate], scopes, more);
      case 'LogicalExpression':
        return this.#allOf([value.left, value.right], scopes, more);
      case 'MemberExpression': {
        const property = value.property.type === 'Identifier' ? value.property.name : '';
        // process.execPath is the Node that is pinned in package.json; `.program` is read where the object is made.
        return property === 'execPath' || property === 'program' ? [] : undefined;
      }
      case 'CallExpression':
        return this.#callCommands(value, scopes, more);
      case 'Identifier':
        return this.#namedCommands(value.name, scopes, more);
      default: {
        const text = textOf(value);
        return text === undefined ? undefined : [[text, ...rest]];
      }
    }
  }

  #allOf(
    values: readonly ESTree.Expression[],
    scopes: readonly Scope[],
    more?: ESTree.Argument,
  ): string[][] | undefined {
    const all = values.map((value) => this.#commandsOf(value, scopes, more));
    return all.includes(undefined) ? undefined : all.flatMap((one) => one ?? []);
  }

  #arrayCommands(value: ESTree.ArrayExpression, scopes: readonly Scope[]): string[][] | undefined {
    const [first] = value.elements;
    if (first === null || first === undefined) return undefined;
    if (first.type === 'SpreadElement') return [this.#wordsOf(value)];
    const program = this.#commandsOf(first, scopes);
    return program?.map((words) => [...words, ...this.#wordsOf(value).slice(1)]);
  }

  #callCommands(call: ESTree.CallExpression, scopes: readonly Scope[], more?: ESTree.Argument): string[][] | undefined {
    const { callee } = call;
    if (callee.type === 'MemberExpression') {
      const isChoice = callee.property.type === 'Identifier' && callee.property.name === 'find';
      if (isChoice && callee.object.type === 'ArrayExpression')
        return this.#wordsOf(callee.object).map((word) => [word]);
      // A method that is given a command and gives it back with more words before it.
      const given = call.arguments.find((one) => one.type === 'ArrayExpression' || one.type === 'Identifier');
      return given === undefined ? undefined : this.#commandsOf(given, scopes);
    }
    if (callee.type !== 'Identifier') return undefined;
    const last = call.arguments.at(-1);
    if (callee.name === 'join' && last !== undefined && last.type !== 'SpreadElement')
      return this.#commandsOf(last, scopes, more);
    const called = this.#functions.get(callee.name);
    return called === undefined ? undefined : this.#allOf(returnsOf(called), scopes, more);
  }

  #namedCommands(name: string, scopes: readonly Scope[], more?: ESTree.Argument): string[][] | undefined {
    if (this.#programs.has(name)) return [];
    for (const scope of scopes.toReversed()) {
      const position = scope.node.params.findIndex((one) => parameterName(one) === name);
      if (position < 0) continue;
      if (scope.name === undefined) return undefined;
      // Whoever calls this function names the program.
      this.#starters.set(scope.name, position);
      return [];
    }
    const values = this.#values.get(name);
    return values === undefined ? undefined : this.#allOf(values, scopes, more);
  }

  /** Words of an array of arguments; '' where one is not known. */
  #wordsOf(array: ESTree.ArrayExpression): string[] {
    return array.elements.flatMap((one) => {
      if (one === null) return [];
      if (one.type !== 'SpreadElement') return [this.#wordOf(one)];
      const values = one.argument.type === 'Identifier' ? this.#values.get(one.argument.name) : [one.argument];
      const [value] = values ?? [];
      return value?.type === 'ArrayExpression' ? this.#wordsOf(value) : [];
    });
  }

  #wordOf(value: ESTree.Expression): string {
    if (value.type === 'Identifier') {
      const [assigned] = this.#values.get(value.name) ?? [];
      return assigned === undefined || assigned.type === 'Identifier' ? '' : this.#wordOf(assigned);
    }
    // A script that is an array of lines, joined.
    const joined =
      value.type === 'CallExpression' && value.callee.type === 'MemberExpression' ? value.callee.object : undefined;
    if (joined?.type === 'ArrayExpression') return this.#wordsOf(joined).join('\n');
    return textOf(value) ?? '';
  }

  #add(command: readonly string[], line: number): void {
    // A script is one word, as a shell's quotes make it.
    const words = command.map((word, index) => (index > 0 && /[\s;]/.test(word) ? `"${word}` : word));
    for (const name of programsOf(words)) this.#names.push({ name, line });
  }

  /** Objects with `program:`, hooks that are scripts, and absolute paths. */
  #readLiterals(): void {
    const add = (name: string, node: ESTree.Node): void => {
      this.#names.push({ name, line: lineOf(this.#source.text, node.start) });
    };
    new Visitor({
      ObjectExpression: (node) => {
        const value = (key: string): ESTree.Expression | undefined =>
          node.properties
            .filter((one) => one.type === 'Property')
            .find((one) => one.key.type === 'Identifier' && one.key.name === key)?.value;
        const program = value('program');
        const args = value('args');
        const given = args !== undefined && this.#argumentsOf(args);
        const text = program === undefined ? undefined : this.#wordOf(program);
        if (text) this.#add([text, ...(given || [])], lineOf(this.#source.text, node.start));
      },
      Literal: (node) => {
        if (typeof node.value !== 'string') return;
        const script = hook.exec(node.value)?.[1];
        if (script !== undefined) for (const name of shellPrograms(script)) add(name, node);
        if (systemFile.test(node.value) && !programFolder.test(node.value)) add(node.value, node);
      },
    }).visit(this.#source.program);
  }

  #argumentsOf(value: ESTree.Expression): string[] {
    return value.type === 'ArrayExpression' ? this.#wordsOf(value) : [];
  }
}

function isFunction(node: ESTree.Node): node is FunctionNode {
  return node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression';
}

function parameterName(parameter: ESTree.Node): string | undefined {
  if (parameter.type === 'RestElement') return parameterName(parameter.argument);
  if (parameter.type === 'AssignmentPattern') return parameterName(parameter.left);
  return parameter.type === 'Identifier' ? parameter.name : undefined;
}

/** The part of an object pattern that gives a parameter this name. */
function takenOut(parameter: ESTree.Node, name: string): ESTree.Node | undefined {
  if (parameter.type !== 'ObjectPattern') return undefined;
  return parameter.properties
    .flatMap((one) => (one.type === 'Property' ? [one.value] : []))
    .find((one) => parameterName(one) === name);
}

function typeName(parameter: ESTree.Node): string | undefined {
  const annotation = parameter.type === 'Identifier' ? parameter.typeAnnotation?.typeAnnotation : undefined;
  if (annotation?.type !== 'TSTypeReference' || annotation.typeName.type !== 'Identifier') return undefined;
  return annotation.typeName.name;
}

/** What a function returns, by each of its return statements. */
function returnsOf(node: FunctionNode): ESTree.Expression[] {
  if (node.body !== null && node.body.type !== 'BlockStatement') return [node.body as ESTree.Expression];
  const found: ESTree.Expression[] = [];
  if (node.body === null) return found;
  new Visitor({
    ReturnStatement(statement) {
      if (statement.argument !== null) found.push(statement.argument);
    },
  }).visit({ type: 'Program', body: [node.body] } as unknown as ESTree.Program);
  return found;
}

/** A text with `$` for what is filled in. */
function textOf(value: ESTree.Expression): string | undefined {
  if (value.type === 'Literal' && typeof value.value === 'string') return value.value;
  if (value.type !== 'TemplateLiteral') return undefined;
  const text = value.quasis.map(({ value: { cooked, raw } }) => cooked ?? raw).join('$');
  // The name of a program must be known, a script may have values filled in.
  return value.expressions.length > 0 && !/\s/.test(text) ? undefined : text;
}
