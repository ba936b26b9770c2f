import { type ESTree, Visitor } from 'rolldown/utils';
import { isTest, lineOf, type Source } from './source.ts';

/** Something that may stand only in some files, because it makes code depend on what tests cannot control. */
interface Ban {
  readonly what: string;
  readonly instead: string;
  /** Files, or folders with a slash at the end, where it is allowed. */
  readonly allowedIn: readonly string[];
}

// In the browser time is the browser's; its tests have a real one.
const clockFiles = ['src/clock/', 'src/fake/clock.ts', 'src/agent/clock.ts', 'src/agent/guest-clock.ts', 'src/web/'];
const bans = {
  // The pace of the database is about turns of the event loop: it decides nothing that anybody could test with a clock.
  wallClock: {
    what: 'reading the time',
    instead: 'a Clock from outside',
    allowedIn: [...clockFiles, 'src/sqlite/pace.ts'],
  },
  timer: { what: 'a timer', instead: 'a Clock from outside', allowedIn: [...clockFiles, 'src/sqlite/pace.ts'] },
  process: {
    what: '`process`',
    instead: 'a parameter from cmd or config',
    allowedIn: ['src/cmd/', 'src/config/', 'src/setup/', 'src/agent/main.ts'],
  },
  console: { what: '`console`', instead: 'a log function from outside', allowedIn: ['src/cmd/', 'src/cli/'] },
  plainError: {
    what: 'throwing a plain Error',
    instead: 'TidepoolError with a code',
    // Below the errors stands only protocol; it throws RangeError, which its callers turn into a coded error.
    allowedIn: [],
  },
} as const satisfies Record<string, Ban>;

const timers = new Set(['setTimeout', 'setInterval', 'setImmediate']);
const testFunctions = new Set(['test', 'it', 'describe', 'suite']);

/** Uses of what is banned where this file lies. Tests may do all of it but leave other tests out. */
export function checkBans(source: Source): string[] {
  const problems: string[] = [];
  const report = (node: ESTree.Node, message: string): void => {
    problems.push(`${source.path}:${lineOf(source.text, node.start)}: ${message}`);
  };
  const banned = (node: ESTree.Node, { what, instead, allowedIn }: Ban): void => {
    if (isTest(source.path) || allowedIn.some((allowed) => source.path.startsWith(allowed))) return;
    report(node, `${what} is not for here; use ${instead}`);
  };
  new Visitor({
    MemberExpression(node) {
      if (isMember(node, 'Date', 'now') || isMember(node, 'performance', 'now')) banned(node, bans.wallClock);
      if (isNamed(node.object, 'process')) banned(node, bans.process);
      if (isNamed(node.object, 'console')) banned(node, bans.console);
      if (node.object.type === 'Identifier' && testFunctions.has(node.object.name) && !node.computed) {
        if (node.property.name === 'only') report(node, 'a test that keeps the others from running');
        if (node.property.name === 'skip') report(node, "a skipped test without a reason; use { skip: 'why' }");
      }
    },
    NewExpression(node) {
      if (isNamed(node.callee, 'Date') && node.arguments.length === 0) banned(node, bans.wallClock);
    },
    CallExpression(node) {
      if (node.callee.type === 'Identifier' && timers.has(node.callee.name)) banned(node, bans.timer);
    },
    ImportDeclaration(node) {
      if (/^(node:)?timers/.test(node.source.value)) banned(node, bans.timer);
      if (/^(node:)?process$/.test(node.source.value)) banned(node, bans.process);
    },
    ThrowStatement(node) {
      const thrown = node.argument;
      if (thrown.type === 'NewExpression' && isNamed(thrown.callee, 'Error')) banned(node, bans.plainError);
    },
    Property(node) {
      if (node.computed || node.key.type !== 'Identifier' || node.value.type !== 'Literal' || !isTest(source.path))
        return;
      if (node.key.name === 'only' && node.value.value === true)
        report(node, 'a test that keeps the others from running');
      if (node.key.name === 'skip' && node.value.value === true) report(node, 'a skipped test without a reason');
    },
  }).visit(source.program);
  return problems;
}

function isMember(node: ESTree.MemberExpression, object: string, property: string): boolean {
  return isNamed(node.object, object) && !node.computed && node.property.name === property;
}

function isNamed(node: ESTree.Node, name: string): boolean {
  return node.type === 'Identifier' && node.name === name;
}
